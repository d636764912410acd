"""Combine the catalogs of a dataset's shards."""

import argparse
import logging
import os

from pixelmill.app import cli, launcher


def main(options: argparse.Namespace) -> None:
    """Write the table of the whole dataset."""
    from pixelmill.core.errors import UserError
    from pixelmill.dataset.gather_catalog import gather_catalog

    count = gather_catalog(options.table, options.shards)
    if not count:
        os.unlink(options.table)
        raise UserError(
            "No shard of the dataset contains an image; correct the path or the globs, or mount "
            "the disk."
        )
    logging.info("%s images in %d shards", f"{count:,}", options.shards)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, "python scripts/gather_catalog.py results/mine/catalog.csv 16")
    parser.add_argument("table", metavar="CSV", help="where to write the table")
    parser.add_argument("shards", type=cli.positive, metavar="N", help="number of shards")
    return parser.parse_args()


if __name__ == "__main__":
    launcher.run(main, arguments)
