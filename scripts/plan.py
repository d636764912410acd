"""Show what would be done to each output tree of a config, and why."""

import argparse
import logging
import os

from pixelmill.app import cli, launcher


def main(options: argparse.Namespace) -> None:
    """Make the plan of each output tree and log it."""
    from pixelmill.app.config import complete
    from pixelmill.core.documents import from_json
    from pixelmill.dataset import left_out
    from pixelmill.dataset.layout import Layout
    from pixelmill.imaging.recipe_parser import parse
    from pixelmill.pipeline.planning import preview
    from pixelmill.pipeline.policy import Policy
    from pixelmill.pipeline.request import ProcessRequest

    config = complete(from_json(options.config, "--config"), options.steps_folder)
    layout, policy = Layout(config), Policy.from_config(config)
    for dataset in config["run"]["datasets"]:
        folder, _ = layout.source(dataset)
        generated = config["datasets"][dataset].get("generate")
        if generated and not os.path.isdir(folder):
            count = generated["count"]
            logging.info("%s: %s images would be generated and made", dataset, f"{count:,}")
            continue
        entries, others = left_out.scan(config, dataset)
        if others:
            logging.info("%s: %s", dataset, others)
        for tree in layout.trees():
            if tree.dataset == dataset:
                recipe = parse(config["recipes"][tree.recipe], tree.recipe, options.steps_folder)
                request = ProcessRequest(folder, tree.path, recipe, policy=policy)
                plan, seconds, size, refusal = preview(request, entries)
                cost = f"; about {seconds:.0f} s of one core, {size / 1e6:.0f} MB" * bool(seconds)
                logging.info("%s/%s/%s: %s%s", tree.dataset, tree.recipe, tree.engine, plan, cost)
                if refusal:
                    logging.warning("It would stop before that: %s", refusal)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, "snakemake --cores 1 plan")
    parser.add_argument("--config", required=True, metavar="JSON", help="complete configuration")
    parser.add_argument(
        "--steps-folder", default=".", help="folder that is searched first for your own steps"
    )
    return parser.parse_args()


if __name__ == "__main__":
    launcher.run(main, arguments)
