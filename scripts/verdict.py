"""Write the verdict on some output trees; exit with status 1 if the run failed."""

import argparse
import logging
import os

from pixelmill.app import cli, console, launcher


def main(options: argparse.Namespace) -> int:
    """Print a summary, and write it to files whatever it says."""
    from pixelmill.core.files import atomic
    from pixelmill.core.tables import write_json
    from pixelmill.dataset.layout import Tree
    from pixelmill.report.collect import collect
    from pixelmill.report.conclusion import LEVELS, State
    from pixelmill.report.verdict import as_data, places, summary

    failures = cli.settings(options, "failures", "max_rate", "max_count")
    trees = [Tree.at(path) for path in options.trees]
    report = collect(trees, {"failures": failures})
    state = State(report["verdict"]["state"])
    *lines, sentence = summary(report, places(trees, report, options.report))
    for line in lines:
        logging.info("%s", line)
    console.conclude(sentence, LEVELS[state])
    text = "".join(f"{line}\n" for line in (*lines, sentence))
    if options.output:
        write_json(f"{os.path.splitext(options.output)[0]}.json", as_data(report))
    for path in (options.output, state is not State.FAILURE and options.done):
        if path:
            with atomic(path) as file:
                file.write(text)
    return launcher.CHECK_FAILED if state is State.FAILURE else 0


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, "python scripts/verdict.py results/demo/light/processes")
    parser.add_argument("trees", nargs="+", metavar="TREE", help="output trees")
    parser.add_argument(
        "--max-failure-rate",
        dest="max_rate",
        type=float,
        metavar="RATE",
        help="largest share of images that may fail (default: 0.01)",
    )
    parser.add_argument(
        "--max-failures",
        dest="max_count",
        type=int,
        metavar="N",
        help="largest number of images that may fail (default: no limit)",
    )
    cli.add_settings(parser, "failures")
    parser.add_argument("--report", metavar="HTML", help="report that the summary names")
    parser.add_argument(
        "--output", metavar="TXT", help="file for the summary; the verdict as JSON is put beside it"
    )
    parser.add_argument(
        "--done", metavar="FILE", help="file for the summary, written unless the run failed"
    )
    return parser.parse_args()


if __name__ == "__main__":
    launcher.run(main, arguments)
