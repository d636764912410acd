"""Process a folder of images one after another, as the baseline of comparisons."""

import argparse

from pixelmill.app import cli, launcher


def main(options: argparse.Namespace) -> None:
    """Run one pass with the sequential engine."""
    from pixelmill.engines.registry import BASELINE
    from pixelmill.pipeline.host_process import early_host

    with early_host(options.target, BASELINE) as host:
        from pixelmill.app.config import complete, named_recipe
        from pixelmill.pipeline.request import ProcessRequest
        from pixelmill.pipeline.runner import process_folder

        request = ProcessRequest(
            options.source,
            options.target,
            named_recipe(options.recipe, options.steps_folder),
            engine=BASELINE,
            label=options.label,
            policy=cli.policy(options, complete),
            token=options.token,
        )
        process_folder(request, options.catalog, host=host)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, "python scripts/process_sequential.py my_photos out")
    cli.add_pass(parser)
    cli.add_policy(parser)
    cli.add_token(parser)
    return parser.parse_args()


if __name__ == "__main__":
    launcher.run(main, arguments)
