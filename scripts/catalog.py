"""List the images of a folder in a table, opening only files that have changed."""

import argparse
import logging

from pixelmill.app import cli, launcher


def main(options: argparse.Namespace) -> None:
    """Bring the table up to date."""
    from pixelmill.core.documents import from_json
    from pixelmill.core.errors import UserError
    from pixelmill.dataset.catalog import told_left_out
    from pixelmill.dataset.catalog_table import refresh
    from pixelmill.dataset.globs import Selection, chosen
    from pixelmill.dataset.shards import Shard

    given = Selection(**from_json(options.selection, "--selection"))
    folder, selection = chosen(options.source, given)
    shard = Shard.parse(options.shard)
    found = refresh(options.table, folder, selection, shard, options.dates)
    left_out = f"; left out: {told_left_out(found.left_out)}" if found.left_out else ""
    if not found.entries and shard.is_whole:
        remedy = "correct the path or the globs, or mount the disk"
        raise UserError(f"'{options.source}' contains no image{left_out}; {remedy}.")
    logging.info("'%s': %s images%s", options.source, f"{len(found.entries):,}", left_out)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, "python scripts/catalog.py my_photos catalog.csv")
    parser.add_argument(
        "source",
        type=cli.path,
        metavar="SRC",
        help="folder or archive of images, or one image; never written to",
    )
    parser.add_argument("table", metavar="CSV", help="where to write the table")
    parser.add_argument(
        "--selection", default="{}", metavar="JSON", help='globs: {"include": [], "exclude": []}'
    )
    parser.add_argument(
        "--shard", default="1-of-1", metavar="K-of-N", help="catalog only this part of the folder"
    )
    parser.add_argument(
        "--dates", action="store_true", help="look for when each picture was taken, for {taken}"
    )
    return parser.parse_args()


if __name__ == "__main__":
    launcher.run(main, arguments)
