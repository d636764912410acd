"""Process a folder of images on all cores."""

import argparse

from pixelmill import cli


def main(options: argparse.Namespace) -> None:
    """Run one pass with a parallel engine."""
    from pixelmill.config import named_recipe
    from pixelmill.engines import resolve
    from pixelmill.process import process_folder

    recipe = named_recipe(options.recipe, options.steps_folder)
    workers = cli.count_workers(options)
    engine = resolve(options.engine)
    process_folder(
        options.source, options.target, recipe, engine, workers, options.catalog, options.label
    )


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(
        __doc__,
        "python scripts/process_parallel.py my_photos out --recipe light --engine processes",
    )
    cli.add_pass(parser)
    parser.add_argument(
        "--engine",
        default="auto",
        choices=("auto", "sequential", "threads", "processes", "futures"),
        help="how to run in parallel (default: auto, which means processes)",
    )
    cli.add_workers(parser)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main, arguments())
