"""Show every step on a picture: a page to choose from."""

import argparse
import logging

from pixelmill import cli


def main(options: argparse.Namespace) -> None:
    """Render the gallery."""
    from pixelmill.gallery import write

    count = write(options.page)
    logging.info("%d steps: %s", count, options.page)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, "python scripts/steps.py steps.html")
    parser.add_argument("page", metavar="HTML", help="where the page goes")
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main, arguments())
