"""Process a folder of images on all cores."""

import argparse

from pixelmill.app import cli, launcher
from pixelmill.engines.registry import AUTO, CHOICES, ENGINES, SELECTABLE


def main(options: argparse.Namespace) -> None:
    """Run one pass with a parallel engine."""
    from pixelmill.app.config import complete, named_recipe
    from pixelmill.core.documents import from_json
    from pixelmill.dataset.globs import Selection
    from pixelmill.dataset.shards import Shard
    from pixelmill.engines.distributed import Cluster
    from pixelmill.pipeline.request import ProcessRequest
    from pixelmill.pipeline.runner import process_folder

    request = ProcessRequest(
        options.source,
        options.target,
        named_recipe(options.recipe, options.steps_folder),
        engine=options.engine,
        workers=cli.count_workers(options),
        label=options.label,
        policy=cli.policy(options, complete),
        token=options.token,
        cluster=Cluster(options.scheduler, tuple(options.tls)),
        shard=Shard.parse(options.shard),
        selection=Selection(**from_json(options.selection, "--selection")),
    )
    process_folder(request, options.catalog)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(
        __doc__,
        "python scripts/process_parallel.py my_photos out --recipe light --engine processes",
    )
    cli.add_pass(parser)
    cli.add_policy(parser)
    cli.add_token(parser)
    parser.add_argument(
        "--engine",
        default=AUTO,
        choices=CHOICES,
        help=" ".join(
            [
                f"how to run in parallel (default: {AUTO}).",
                *(f"{name}: {ENGINES[name].description}" for name in SELECTABLE),
            ]
        ),
    )
    parser.add_argument(
        "--scheduler",
        default="local",
        metavar="WHERE",
        help="Dask scheduler of engine distributed: an address such as tls://HOST:PORT, a "
        "scheduler file, or local (default)",
    )
    parser.add_argument(
        "--tls",
        nargs=3,
        default=(),
        metavar=("CA", "CERT", "KEY"),
        help="PEM files for tls://: the certificate of the authority, your own, and your key",
    )
    parser.add_argument(
        "--shard", default="1-of-1", metavar="K-of-N", help="process only this part of the images"
    )
    parser.add_argument(
        "--selection", default="{}", metavar="JSON", help='globs: {"include": [], "exclude": []}'
    )
    cli.add_workers(parser)
    return parser.parse_args()


if __name__ == "__main__":
    launcher.run(main, arguments)
