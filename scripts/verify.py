"""Verify an output tree: complete, intact, and as the recipe asks."""

import argparse

from pixelmill.app import cli, console, launcher


def main(options: argparse.Namespace) -> int:
    """Verify, and print each check with its counts and the verdict."""
    from pixelmill.dataset.file_names import has_verification, verified_beside
    from pixelmill.engines.lifecycle import start_early

    beside = verified_beside(options.target) if options.beside else []
    if not beside and not has_verification(options.target):
        # All outputs will be opened.
        start_early(["pixelmill.verification.inspector", "pixelmill.verification.picture_check"])

    from pixelmill.app.config import named_recipe
    from pixelmill.core.tables import write_json
    from pixelmill.dataset import catalog, catalog_table, globs
    from pixelmill.verification.verify import verify

    if options.catalog:
        entries = catalog_table.read(options.catalog)
    else:
        entries = catalog.scan(*globs.chosen(options.source))[0].entries
    result = verify(
        globs.chosen(options.source)[0],
        options.target,
        named_recipe(options.recipe, options.steps_folder).as_data(),
        entries,
        cli.count_workers(options),
        **cli.settings(options, "verify", "scope", "sample", "min_psnr"),
        confined=options.sandbox != "off",
        beside=beside,
    )
    console.print_checks(options.label, result, brief=options.evidence)
    if options.output:
        write_json(options.output, {**result, "token": options.token})
    return 0 if result["passed"] or options.evidence else launcher.CHECK_FAILED


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, "python scripts/verify.py my_photos out --recipe light")
    cli.add_pass(parser)
    parser.add_argument("--scope", choices=("changed", "all"), default="all")
    parser.add_argument("--sample", type=int, help="number of images compared with a reference")
    parser.add_argument("--min-psnr", type=float, help="lowest similarity allowed, in dB")
    cli.add_settings(parser, "verify")
    parser.add_argument(
        "--beside",
        action="store_true",
        help="the folders beside DST are output trees of the same images and recipe: what passed "
        "there is not checked again",
    )
    parser.add_argument("--output", metavar="JSON", help="file for the results of the checks")
    parser.add_argument("--token", default="", help="identifies the checks to the workflow")
    parser.add_argument(
        "--evidence", action="store_true", help="exit with status 0 even if a check failed"
    )
    cli.add_sandbox(parser)
    cli.add_workers(parser)
    return parser.parse_args()


if __name__ == "__main__":
    launcher.run(main, arguments)
