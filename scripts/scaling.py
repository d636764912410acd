"""Measure the speedup of each engine and number of workers on a folder of images."""

import argparse
import logging

from pixelmill.app import cli, launcher


def main(options: argparse.Namespace) -> None:
    """Measure, log a table and advice, and write all samples as JSON."""
    from pixelmill.app.config import named_recipe
    from pixelmill.benchmark import manager, samples

    recipe = named_recipe(options.recipe, options.steps_folder)
    cases = samples.cases_for(cli.count_workers(options))
    if options.only:
        cases = [case for case in cases if f"{case.kind}-{case.workers}" in options.only]
    result = manager.run(
        options.source,
        recipe,
        cases,
        **cli.settings(options, "benchmark", "images", "repeats"),
        scratch=options.scratch,
        log=logging.info,
        table=options.catalog,
        output=options.output,
    )
    for line in manager.told(result):
        logging.info("%s", line)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, "python scripts/scaling.py my_photos --recipe light")
    cli.add_benchmark(parser, "light, intensive, or FILE.yaml (default: light)")
    parser.add_argument(
        "--only", nargs="+", metavar="CASE", help="measure only these, such as loop-1 processes-2"
    )
    return parser.parse_args()


if __name__ == "__main__":
    launcher.run(main, arguments)
