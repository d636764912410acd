"""Measure the images of a folder, and write their metrics, findings, and a page about them."""

import argparse
import logging
import os

from pixelmill.app import cli, launcher


def main(options: argparse.Namespace) -> None:
    """Measure what is new or changed, and write the tables and the page."""
    from pixelmill.dataset.file_names import INSPECTION
    from pixelmill.pipeline.host_process import early_host

    measurer = "pixelmill.inspection.measuring.measurer"
    with early_host(os.path.join(options.target, INSPECTION), renderer=measurer) as host:
        from pixelmill.app.config import complete
        from pixelmill.core.documents import from_json
        from pixelmill.dataset.globs import Selection
        from pixelmill.inspection.inspect import inspect
        from pixelmill.inspection.measuring.measurer import RECIPE
        from pixelmill.pipeline.request import ProcessRequest

        request = ProcessRequest(
            options.source,
            options.target,
            RECIPE,
            workers=cli.count_workers(options),
            label=options.label,
            policy=cli.policy(options, complete),
            selection=Selection(**from_json(options.selection, "--selection")),
        )
        thresholds = from_json(options.settings, "--settings") if options.settings else {}
        page = "pixelmill.report.inspection_page"
        found = inspect(request, options.catalog, thresholds, host=host, later=[page])
    from pixelmill.report import inspection_page

    page = inspection_page.write(found, options.source, options.target)
    logging.info("%s; see '%s'", "; ".join(inspection_page.lines(found)), page)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, "python scripts/inspect_images.py my_photos out")
    parser.add_argument(
        "source",
        type=cli.path,
        metavar="SRC",
        help="folder of images, or one image; never written to",
    )
    parser.add_argument("target", type=cli.path, metavar="DST", help="folder of the tables")
    parser.add_argument("--catalog", metavar="CSV", help="existing table of the inputs")
    parser.add_argument("--label", default="images", help="name of the images in messages")
    cli.add_selection(parser)
    cli.add_policy(parser)
    cli.add_settings(parser, "findings")
    cli.add_workers(parser)
    return parser.parse_args()


if __name__ == "__main__":
    launcher.run(main, arguments)
