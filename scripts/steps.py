"""Write the gallery of steps, or the pages of the documentation that the code generates."""

import argparse
import logging
from pathlib import Path

from pixelmill.app import cli, launcher


def main(options: argparse.Namespace) -> None:
    """Write the gallery, the pages, or both."""
    from pixelmill.app import config_docs, failure_docs, step_docs, step_gallery

    if options.page:
        count = step_gallery.write(options.page)
        logging.info("%d steps: %s", count, options.page)
    if options.docs:
        for name, text in (
            ("steps.md", step_docs.markdown()),
            ("configuration.md", config_docs.markdown()),
        ):
            Path(options.docs, name).write_text(text, encoding="utf-8")
        page = Path(options.docs, "failures.md")
        page.write_text(failure_docs.markdown(page.read_text(encoding="utf-8")), encoding="utf-8")
    if options.complete:
        config = Path(options.complete)
        completed = config_docs.with_missing_keys(config.read_text(encoding="utf-8"))
        config.write_text(completed, encoding="utf-8")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, "python scripts/steps.py steps.html")
    parser.add_argument("page", metavar="HTML", nargs="?", help="where to write the gallery")
    parser.add_argument(
        "--docs", metavar="DIR", help="write the generated pages of the documentation there"
    )
    parser.add_argument("--complete", metavar="YAML", help="add the keys that this config lacks")
    return parser.parse_args()


if __name__ == "__main__":
    launcher.run(main, arguments)
