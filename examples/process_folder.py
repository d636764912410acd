"""Make WebP thumbnails of a folder with a recipe of your own, and say what failed.

python examples/process_folder.py my_photos out
"""

import sys

import pixelmill

RECIPE = {
    "steps": [{"resize": {"longest": 512, "upscale": "never"}}, "sharpen"],
    "output": {"format": "webp", "quality": 80},
}


def main(source: str, target: str) -> int:
    """Process the folder, verify the outputs, and return the exit status."""
    try:
        result = pixelmill.process(source, target, RECIPE)
    except pixelmill.UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{result.images} processed, {result.unchanged} unchanged, {result.failed} failed")
    for failure in result.failures:
        print(f"  {failure.source}: {failure.message}")
    checks = pixelmill.verify(source, target, RECIPE)
    print(checks["summary"])
    return 0 if checks["passed"] else 1


if __name__ == "__main__":  # worker processes import this file
    if len(sys.argv) != 3:
        sys.exit("usage: python examples/process_folder.py SRC DST")
    sys.exit(main(*sys.argv[1:]))
