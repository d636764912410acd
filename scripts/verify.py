"""Check a tree of processed images: complete, whole, as the recipe demands, as noted."""

import argparse

from pixelmill.app import cli


def main(options: argparse.Namespace) -> int:
    """Verify, print each check with its counts, and say the verdict."""
    from pixelmill.app.config import named_recipe
    from pixelmill.core.tables import write_json
    from pixelmill.dataset import catalog
    from pixelmill.verification.verify import verify

    if options.catalog:
        entries = catalog.read(options.catalog)
    else:
        entries = list(catalog.scan(options.source)[0].entries)
    result = verify(
        options.source,
        options.target,
        named_recipe(options.recipe, options.steps_folder).as_data(),
        entries,
        cli.count_workers(options),
        options.scope,
        options.sample,
        options.min_psnr,
        options.sandbox != "off",
    )
    cli.print_checks(options.label, result, brief=options.evidence)
    if options.output:
        write_json(options.output, {**result, "token": options.token})
    return 0 if result["passed"] or options.evidence else cli.CHECK_FAILED


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, "python scripts/verify.py my_photos out --recipe light")
    cli.add_pass(parser)
    parser.add_argument("--scope", choices=("changed", "all"), default="all")
    parser.add_argument("--sample", type=int, default=250, help="images compared with a reference")
    parser.add_argument("--min-psnr", type=float, default=30.0, help="least similarity, in dB")
    parser.add_argument("--output", metavar="JSON", help="write the checks here")
    parser.add_argument("--token", default="", help="what the workflow knows the checks by")
    parser.add_argument("--evidence", action="store_true", help="exit 0 also where a check failed")
    cli.add_sandbox(parser)
    cli.add_workers(parser)
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main, arguments)
