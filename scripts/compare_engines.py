"""Check that engines wrote the same bytes as the sequential one."""

import argparse

from pixelmill.app import cli, console, launcher


def main(options: argparse.Namespace) -> int:
    """Compare the manifests of several trees."""
    from pathlib import Path

    from pixelmill.core.errors import UserError
    from pixelmill.core.tables import write_json
    from pixelmill.engines.registry import BASELINE
    from pixelmill.verification.compare_engines import compare

    trees = {Path(tree).name: tree for tree in options.trees}
    if BASELINE not in trees:
        raise UserError(f"trees: none is named '{BASELINE}'; give its folder too.")
    result = compare(trees)
    console.print_checks(options.label, result, brief=options.evidence)
    if options.output:
        write_json(options.output, result)
    return 0 if result["passed"] or options.evidence else launcher.CHECK_FAILED


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(
        __doc__, "python scripts/compare_engines.py results/demo/light/{sequential,threads}"
    )
    parser.add_argument("trees", nargs="+", help="output trees, one named 'sequential'")
    parser.add_argument("--label", default="engines", help="name of the engines in messages")
    parser.add_argument("--output", metavar="JSON", help="file for the results of the checks")
    parser.add_argument(
        "--evidence", action="store_true", help="exit with status 0 even if a check failed"
    )
    return parser.parse_args()


if __name__ == "__main__":
    launcher.run(main, arguments)
