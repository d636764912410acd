"""Say whether all is well with some output trees; exit 1 where it is not."""

import argparse
import logging
import os

from pixelmill.app import cli


def main(options: argparse.Namespace) -> int:
    """Print what is not well and a summary, and write it down when all is well."""
    from pixelmill.core.files import atomic
    from pixelmill.report.collect import Tree, collect
    from pixelmill.report.verdict import judge, summary

    report = collect([Tree.at(path) for path in options.trees], {})
    well, wrong = judge(report, options.max_failure_rate, options.max_failures)
    first, *others = options.trees
    more = f" and of {len(others):,} more" if others else ""
    images = f"Images: {os.path.join(first, 'images')}{more}"
    place = f"Report: {options.report}" if options.report else images
    lines = summary(report, well, place)
    for line in wrong:
        logging.warning("%s", line)
    for line in lines:
        logging.info("%s", line)
    if well and options.output:
        with atomic(options.output) as file:
            file.writelines(f"{line}\n" for line in lines)
    return 0 if well else cli.CHECK_FAILED


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, "python scripts/verdict.py results/demo/light/processes")
    parser.add_argument("trees", nargs="+", metavar="TREE", help="output trees")
    parser.add_argument("--max-failure-rate", type=float, default=0.01, metavar="RATE")
    parser.add_argument("--max-failures", type=int, metavar="N", help="default: no bound")
    parser.add_argument("--report", metavar="HTML", help="where to read more")
    parser.add_argument("--output", metavar="TXT", help="write the verdict here when all is well")
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main, arguments)
