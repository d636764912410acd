"""Choose the images of a dataset by a list and by what they are, or split them into parts."""

import argparse
import logging

from pixelmill.app import cli, launcher


def main(options: argparse.Namespace) -> None:
    """Write which images are chosen, or to which part each belongs."""
    from pixelmill.core.documents import from_json
    from pixelmill.dataset.image_list import ImageList
    from pixelmill.inspection.choose import choose
    from pixelmill.inspection.parts import split_images

    thresholds = from_json(options.settings, "--settings") if options.settings else {}
    if options.split:
        given = from_json(options.split, "--split")
        counts = split_images(options.target, given["ratios"], given.get("seed", 0), thresholds)
        told = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        logging.info("%s: %s; see '%s/splits.csv'", options.label, told, options.target)
        return
    chosen, others = choose(
        options.catalog,
        options.target,
        options.select,
        options.on_duplicate,
        thresholds,
        ImageList.given(options.list, options.where, options.names),
        options.source or ".",
    )
    logging.info(
        "%s: %s images chosen, %s left out; '%s/left_out.csv' says why",
        options.label, f"{chosen:,}", f"{others:,}", options.target,
    )  # fmt: skip


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(
        __doc__, "python scripts/select_images.py out --catalog out/catalog.csv --select 'not dark'"
    )
    parser.add_argument("target", type=cli.path, metavar="DST", help="folder of the metrics")
    parser.add_argument("--catalog", metavar="CSV", help="table of all images")
    parser.add_argument("--select", metavar="EXPRESSION", help="which images are chosen")
    parser.add_argument(
        "--on-duplicate",
        default="keep_all",
        choices=("keep_all", "first", "best"),
        help="which of several equal or nearly equal images is chosen (default: keep_all)",
    )
    cli.add_list(parser)
    parser.add_argument(
        "--source", metavar="SRC", help="folder or archive of the images that a list names"
    )
    parser.add_argument("--split", metavar="JSON", help="split instead: ratios and seed")
    parser.add_argument("--label", default="images", help="name of the images in messages")
    cli.add_settings(parser, "findings")
    return parser.parse_args()


if __name__ == "__main__":
    launcher.run(main, arguments)
