"""Process a folder of images one after another: the baseline of every comparison."""

import argparse

from pixelmill.app import cli


def main(options: argparse.Namespace) -> None:
    """Run one pass with the sequential engine."""
    from pixelmill.app.config import complete, named_recipe
    from pixelmill.pipeline.request import ProcessRequest
    from pixelmill.pipeline.runner import process_folder

    request = ProcessRequest(
        options.source,
        options.target,
        named_recipe(options.recipe, options.steps_folder),
        engine="sequential",
        label=options.label,
        policy=cli.policy(options, complete),
    )
    process_folder(request, options.catalog)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, "python scripts/process_sequential.py my_photos out")
    cli.add_pass(parser)
    cli.add_policy(parser)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main, arguments)
