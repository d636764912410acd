"""Write the verdict on some output trees; exit with status 1 if something is wrong."""

import argparse
import logging
import os

from pixelmill.app import cli


def main(options: argparse.Namespace) -> int:
    """Print what is wrong and a summary; write the summary to a file if everything passed."""
    from pixelmill.core.files import atomic
    from pixelmill.dataset.layout import Tree
    from pixelmill.report.collect import collect
    from pixelmill.report.verdict import judge, summary

    report = collect([Tree.at(path) for path in options.trees], {})
    passed, wrong = judge(report, cli.settings(options, "failures", "max_rate", "max_count"))
    first, *others = options.trees
    more = f" and of {len(others):,} more" if others else ""
    images = f"Images: {os.path.join(first, 'images')}{more}"
    place = f"Report: {options.report}" if options.report else images
    lines = summary(report, passed, place)
    for line in wrong:
        logging.warning("%s", line)
    for line in lines:
        logging.info("%s", line)
    if passed and options.output:
        with atomic(options.output) as file:
            file.writelines(f"{line}\n" for line in lines)
    return 0 if passed else cli.CHECK_FAILED


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
        "--output", metavar="TXT", help="file for the summary, written if everything passed"
    )
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main, arguments)
