"""Copy images from a bucket or another place into a folder; copy only what changed."""

import argparse
import logging

from pixelmill.app import cli, launcher


def main(options: argparse.Namespace) -> None:
    """Bring the folder up to date, and say what was copied."""
    from pixelmill.core.documents import from_json
    from pixelmill.core.tables import write_json
    from pixelmill.dataset.globs import Selection
    from pixelmill.transfer.messages import announce, tell
    from pixelmill.transfer.mirror import mirror
    from pixelmill.transfer.places import ListOptions, place_at

    selection = Selection(**from_json(options.selection, "--selection"))
    removals = from_json(options.removals, "--removals")
    given = from_json(options.options, "--options")
    place = place_at(options.place, ListOptions(**given) if given else None)
    announce(place, logging.getLogger())
    done = mirror(place, options.folder, selection, removals["max_rate"], options.token)
    tell(done, place.name, logging.getLogger())
    if options.done:
        write_json(options.done, {"place": place.name, "token": options.token})


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, "python scripts/mirror.py s3://bucket/photos my_photos")
    parser.add_argument(
        "place",
        metavar="PLACE",
        help="URL of a bucket or of a folder on a server, compressed tars, or a list of URLs",
    )
    parser.add_argument(
        "folder", type=cli.path, metavar="FOLDER", help="folder of the copies; created if missing"
    )
    parser.add_argument(
        "--selection", default="{}", metavar="JSON", help='globs: {"include": [], "exclude": []}'
    )
    parser.add_argument(
        "--options", default="{}", metavar="JSON", help="how the URLs of a list are fetched"
    )
    parser.add_argument(
        "--removals", default='{"max_rate": 0.5}', metavar="JSON", help="as in the config"
    )
    parser.add_argument("--token", default="", help="identifies the files to the workflow")
    parser.add_argument("--done", metavar="FILE", help="file to write when all is copied")
    return parser.parse_args()


if __name__ == "__main__":
    launcher.run(main, arguments, keeps_credentials=True)
