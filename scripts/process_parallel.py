"""Process a folder of images on all cores."""

import argparse

from pixelmill import cli


def main(options: argparse.Namespace) -> None:
    """Run one pass with a parallel engine."""
    from pixelmill.config import named_recipe
    from pixelmill.process import process_folder

    process_folder(
        options.source,
        options.target,
        named_recipe(options.recipe, options.steps_folder),
        options.engine,
        cli.count_workers(options),
        options.catalog,
        options.label,
        cli.policy(options),
    )


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(
        __doc__,
        "python scripts/process_parallel.py my_photos out --recipe light --engine processes",
    )
    cli.add_pass(parser)
    cli.add_policy(parser)
    parser.add_argument(
        "--engine",
        default="auto",
        choices=("auto", "sequential", "threads", "processes", "futures"),
        help="how to run in parallel (default: auto, which chooses)",
    )
    cli.add_workers(parser)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main, arguments())
