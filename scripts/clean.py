"""Remove the results, generated images and logs of a config, and nothing else."""

import argparse
import logging
from collections.abc import Mapping

from pixelmill.app import cli, launcher


def main(options: argparse.Namespace) -> None:
    """Remove the files and log how many there were."""
    from pixelmill.app.cleanup import clean
    from pixelmill.core.documents import from_json, require
    from pixelmill.core.filenames import escape

    config = from_json(options.config, "--config")
    require(config, {"results": str, "datasets": Mapping, "recipes": Mapping}, "--config")
    for name, dataset in config["datasets"].items():
        require(dataset, {}, f"--config.datasets.{name}")
    removed, left = clean(config)
    logging.info("removed %s files", f"{removed:,}")
    if left:
        more = f" and {len(left) - 1:,} more" if len(left) > 1 else ""
        logging.warning("Kept '%s'%s, which this config did not make.", escape(left[0]), more)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, "snakemake --cores 1 clean")
    parser.add_argument("--config", required=True, metavar="JSON", help="complete configuration")
    return parser.parse_args()


if __name__ == "__main__":
    launcher.run(main, arguments)
