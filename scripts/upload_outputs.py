"""Upload the outputs of a run, or shards, into a bucket; send only what changed."""

import argparse
import logging

from pixelmill.app import cli, launcher


def main(options: argparse.Namespace) -> None:
    """Upload, and say how many files were sent."""
    from pixelmill.core.tables import write_json
    from pixelmill.transfer.buckets import Bucket
    from pixelmill.transfer.upload import MAX_REMOVAL_RATE, upload

    rate = cli.settings(options, "removals").get("max_rate", MAX_REMOVAL_RATE)
    done = upload(options.folder, Bucket(options.bucket), rate, options.label)
    if options.output:
        write_json(options.output, {"bucket": options.bucket, "objects": done.sent + done.kept})
    logging.info("%s: %s", options.label, done)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, "python scripts/upload_outputs.py out s3://bucket/prefix")
    cli.add_upload(parser)
    cli.add_settings(parser, "removals")
    parser.add_argument("--output", metavar="JSON", help="file that says what was uploaded")
    parser.add_argument("--label", default="upload", help="name of the work in messages")
    return parser.parse_args()


if __name__ == "__main__":
    launcher.run(main, arguments, keeps_credentials=True)
