"""Process a folder of images one after another: the baseline of every comparison."""

import argparse

from pixelmill.app import cli


def main(options: argparse.Namespace) -> None:
    """Run one pass with the sequential engine."""
    from pixelmill.app.config import complete, named_recipe
    from pixelmill.pipeline.runner import process_folder

    process_folder(
        options.source,
        options.target,
        named_recipe(options.recipe, options.steps_folder),
        "sequential",
        1,
        options.catalog,
        options.label,
        cli.policy(options, complete),
    )


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, "python scripts/process_sequential.py my_photos out")
    cli.add_pass(parser)
    cli.add_policy(parser)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main, arguments)
