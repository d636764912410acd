"""Process a folder of images on all cores."""

import argparse

from pixelmill.app import cli, launcher
from pixelmill.engines.registry import AUTO, CHOICES, ENGINES, SELECTABLE


def main(options: argparse.Namespace) -> None:
    """Run one pass with a parallel engine."""
    from pixelmill.dataset.file_names import state_folder
    from pixelmill.pipeline.host_process import early_host

    with early_host(state_folder(options.target, options.shard), options.engine) as host:
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
        process_folder(request, options.catalog, host=host)


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
    cli.add_cluster(parser)
    parser.add_argument(
        "--shard", default="1-of-1", metavar="K-of-N", help="process only this part of the images"
    )
    cli.add_selection(parser)
    cli.add_workers(parser)
    return parser.parse_args()


if __name__ == "__main__":
    launcher.run(main, arguments)
