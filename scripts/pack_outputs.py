"""Pack the outputs of a run into shards for training; write only the shards that changed."""

import argparse
import logging

from pixelmill.app import cli, launcher


def main(options: argparse.Namespace) -> None:
    """Pack, and say how many shards were written."""
    from pixelmill.packing.division import Division
    from pixelmill.packing.pack import PackRequest, pack

    request = PackRequest(
        options.target,
        options.folder,
        options.format,
        Division(options.images, options.bytes),
        workers=cli.count_workers(options),
        durable=options.durable,
        label=options.label,
    )
    logging.info("%s: %s", options.label, pack(request))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, "python scripts/pack_outputs.py out shards --images 5000")
    parser.add_argument(
        "target", type=cli.path, metavar="DST", help="folder of the results; only read"
    )
    parser.add_argument("folder", type=cli.path, metavar="FOLDER", help="folder of the shards")
    cli.add_packing(parser)
    cli.add_workers(parser)
    parser.add_argument("--durable", action="store_true", help="sync each shard to the disk")
    parser.add_argument("--label", default="pack", help="name of the work in messages")
    return parser.parse_args()


if __name__ == "__main__":
    launcher.run(main, arguments)
