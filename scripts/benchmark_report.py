"""Write the report with its tables and figures from the files of a run."""

import argparse
import logging

from pixelmill.app import cli, launcher


def main(options: argparse.Namespace) -> None:
    """Read the files of the output trees and write the report."""
    from pixelmill.core.documents import from_json
    from pixelmill.core.errors import UserError
    from pixelmill.report.contact_sheet import contact_sheets

    if options.compare:
        _compare(options)
        return
    if not options.results:
        raise UserError("Give the folder of all results, or --compare and scaling.json files.")
    from pixelmill.dataset.layout import Tree
    from pixelmill.report.collect import collect, describe, find_trees, tables_of
    from pixelmill.report.inspected import inspected
    from pixelmill.report.render import folder_in, write

    trees = [Tree.at(path) for path in options.trees or []] or find_trees(options.results)
    if not trees:
        raise UserError(
            f"There are no processed images in '{options.results}' as DATASET/RECIPE/ENGINE/; "
            "run 'snakemake --cores all all' first."
        )
    config = from_json(options.config, "--config")
    folder = options.output or folder_in(options.results)
    found = {"inspected": inspected(tables_of(trees), folder)}
    report = {**collect(trees, config), **describe(trees), **found}
    write(report, folder, contact_sheets(trees, config, folder))
    level = logging.DEBUG if options.output else logging.INFO  # then it is known where
    logging.log(level, "report: %s/report.html", folder)


def _compare(options: argparse.Namespace) -> None:
    """Write a page that compares the measurements of several machines."""
    from pixelmill.report import compare_machines

    page = f"{options.output or '.'}/compare.html"
    compare_machines.write(compare_machines.read(options.compare), page)
    logging.info("machines: %s", page)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, "python scripts/benchmark_report.py results")
    parser.add_argument("results", metavar="RESULTS", nargs="?", help="folder of all results")
    parser.add_argument("--trees", nargs="+", help="output trees to report on (default: all)")
    parser.add_argument(
        "--output", metavar="DIR", help="folder of the report (default: RESULTS/report)"
    )
    parser.add_argument(
        "--compare",
        nargs="+",
        metavar="JSON",
        help="compare the files scaling.json of several machines instead",
    )
    parser.add_argument("--config", default="{}", metavar="JSON", help="configuration to show")
    return parser.parse_args()


if __name__ == "__main__":
    launcher.run(main, arguments)
