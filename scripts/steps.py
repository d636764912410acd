"""Show every step on a picture: a page to choose from."""

import argparse
import logging
from pathlib import Path

from pixelmill import cli


def main(options: argparse.Namespace) -> None:
    """Render the gallery."""
    from pixelmill import gallery, handbook

    count = gallery.write(options.page)
    logging.info("%d steps: %s", count, options.page)
    if options.markdown:
        Path(options.markdown).write_text(handbook.markdown(), encoding="utf-8")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, "python scripts/steps.py steps.html")
    parser.add_argument("page", metavar="HTML", help="where the page goes")
    parser.add_argument("--markdown", metavar="FILE", help="all parameters as a page of text, too")
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main, arguments())
