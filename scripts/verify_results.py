"""Verify the current state of all output trees of a config, and name remedies."""

import argparse
import logging
import os
import shlex

from pixelmill.app import cli, console, launcher


def main(options: argparse.Namespace) -> int:
    """Verify each tree, and change nothing but what is known of the outputs."""
    from pixelmill.app.config import complete
    from pixelmill.core.documents import from_json
    from pixelmill.core.errors import UserError
    from pixelmill.dataset import left_out
    from pixelmill.dataset.layout import Layout
    from pixelmill.imaging.recipe_parser import parse
    from pixelmill.verification.checks import is_repaired, remedies
    from pixelmill.verification.verify import verify

    config = complete(from_json(options.config, "--config"), options.steps_folder)
    layout = Layout(config)
    trees = [tree for tree in layout.trees() if os.path.exists(f"{tree.path}/manifest.csv")]
    if not trees:
        raise UserError("There are no processed images yet; run 'snakemake --cores all all' first.")
    workers = cli.count_workers(options)
    wrong = 0
    repaired = []
    for tree in trees:
        result = verify(
            layout.source(tree.dataset)[0],
            tree.path,
            parse(config["recipes"][tree.recipe], tree.recipe, options.steps_folder).as_data(),
            left_out.scan(config, tree.dataset)[0],
            workers,
            **config["verify"],
            confined=config["sandbox"] != "off",
        )
        console.print_checks(f"{tree.dataset}/{tree.recipe}/{tree.engine}", result)
        for line in remedies(result):
            logging.error("%s", line)
        wrong += not result["passed"]
        if is_repaired(result):
            repaired.append(f"{tree.path}/verification.json")
    if not wrong:
        console.conclude(
            f"Success: {len(trees)} of {len(trees)} output trees verified.", logging.INFO
        )
        return 0
    told = f"Failed: {wrong} of {len(trees)} output trees did not pass verification"
    if repaired:
        kept = from_json(options.command, "--command")
        words = [word for k in kept for word in (repaired if k is None else [k])]
        told += f"; to repair what a run can, run: {shlex.join(words)}"
    console.conclude(told, logging.ERROR)
    return launcher.CHECK_FAILED


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, "snakemake --cores all verify")
    parser.add_argument("--config", required=True, metavar="JSON", help="complete configuration")
    parser.add_argument(
        "--command",
        default='["snakemake", "--cores", "all", null]',
        metavar="JSON",
        help="words of a command, with null in the place of its targets",
    )
    parser.add_argument(
        "--steps-folder", default=".", help="folder that is searched first for your own steps"
    )
    cli.add_workers(parser)
    return parser.parse_args()


if __name__ == "__main__":
    launcher.run(main, arguments)
