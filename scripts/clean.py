"""Remove what pixelmill made by a config: results, generated images, logs. Nothing else."""

import argparse
import logging

from pixelmill import cli


def main(options: argparse.Namespace) -> None:
    """Remove it and say how much it was."""
    from pixelmill.documents import from_json
    from pixelmill.layout import Layout

    removed = Layout(from_json(options.config, "--config")).clean()
    logging.info("removed %s files", f"{removed:,}")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, "snakemake --cores 1 clean")
    parser.add_argument("--config", required=True, metavar="JSON", help="complete configuration")
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main, arguments)
