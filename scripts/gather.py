"""Combine the results of the shards of an output tree once all of them are done."""

import argparse
import logging

from pixelmill.app import cli, launcher


def main(options: argparse.Namespace) -> None:
    """Write the tables of the whole tree."""
    from pixelmill.dataset.gather import gather

    done = gather(options.tree, options.shards, options.catalog, options.token)
    if done is None:
        logging.info("%s: nothing new in %d shards", options.label, options.shards)
    else:
        made, failed = f"{done.images:,}", f"{done.failed:,}"
        logging.info("%s: %s images made, %s failed", options.label, made, failed)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(
        __doc__, "python scripts/gather.py results/mine/light/auto 16 results/mine/catalog.csv"
    )
    parser.add_argument("tree", metavar="TREE", help="output tree")
    parser.add_argument("shards", type=cli.positive, metavar="N", help="number of shards")
    parser.add_argument("catalog", metavar="CSV", help="table of the whole dataset")
    parser.add_argument("--label", default="images", help="name of the images in messages")
    cli.add_token(parser)
    return parser.parse_args()


if __name__ == "__main__":
    launcher.run(main, arguments)
