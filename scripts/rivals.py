"""Compare the speed of pixelmill with that of other tools."""

import argparse
import logging

from pixelmill.app import cli, launcher


def main(options: argparse.Namespace) -> None:
    """Measure the tools that are installed, log a table, and write all samples as JSON."""
    from pixelmill.app.config import named_recipe
    from pixelmill.benchmark import competitors, manager, speedups
    from pixelmill.dataset import globs

    recipe = named_recipe(options.recipe, options.steps_folder)
    competitors.task_of(recipe)  # fails at once if other tools cannot perform it
    settings = cli.settings(options, "benchmark", "images", "repeats")
    some = manager.select(manager.entries_of(options.source, options.catalog), settings["images"])
    tools = competitors.willing(globs.chosen(options.source)[0], recipe, some)
    cases = competitors.cases(cli.count_workers(options), tools)
    result = manager.run(
        options.source,
        recipe,
        cases,
        **settings,
        scratch=options.scratch,
        log=logging.info,
        table=options.catalog,
        output=options.output,
        versions=competitors.versions(),
    )
    for line in speedups.table(result["figures"]):
        logging.info("%s", line)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, "python scripts/rivals.py my_photos --recipe light")
    cli.add_benchmark(parser, "light, or FILE.yaml with one resize to JPEG (default: light)")
    return parser.parse_args()


if __name__ == "__main__":
    launcher.run(main, arguments)
