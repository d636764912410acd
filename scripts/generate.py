"""Generate test images; their pixels depend on the seed, not on the number of workers."""

import argparse
import os

from pixelmill.app import cli, launcher
from pixelmill.app.argument_parser import format_name


def main(options: argparse.Namespace) -> None:
    """Bring the folder up to date."""
    from pixelmill.engines.lifecycle import start_early

    if not os.path.isdir(options.target):
        start_early(["pixelmill.dataset.synthetic", "pixelmill.dataset.scenes"])

    from pixelmill.core.documents import from_json
    from pixelmill.core.tables import write_json
    from pixelmill.dataset.synthetic import Spec, generate

    if options.spec:
        spec = Spec.from_config(from_json(options.spec, "--spec"))
    else:
        spec = Spec(
            count=options.count,
            width=tuple(sorted(options.width)),
            height=tuple(sorted(options.height)),
            content=options.content,
            format=((options.format, 1.0),),
            seed=options.seed,
        )
    generate(options.target, spec, cli.count_workers(options), options.token)
    if options.done:
        write_json(options.done, {"spec": spec.fingerprint(), "count": spec.count})


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, "python scripts/generate.py my_images --count 1000")
    parser.add_argument(
        "target", type=cli.path, metavar="DST", help="folder of the images; created if missing"
    )
    parser.add_argument("--count", type=cli.positive, default=1000)
    parser.add_argument("--width", type=cli.positive, nargs=2, default=(300, 600))
    parser.add_argument("--height", type=cli.positive, nargs=2, default=(300, 600))
    parser.add_argument("--content", choices=("photo", "solid", "noise"), default="photo")
    parser.add_argument(
        "--format", type=format_name, choices=("jpeg", "png", "bmp", "gif"), default="jpeg"
    )
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--spec", metavar="JSON", help="all of the options above, as in the config")
    parser.add_argument("--token", default="", help="identifies the images to the workflow")
    parser.add_argument("--done", metavar="FILE", help="file to write when all images exist")
    cli.add_workers(parser)
    return parser.parse_args()


if __name__ == "__main__":
    launcher.run(main, arguments)
