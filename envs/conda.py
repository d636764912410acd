"""Write environment.yaml with the pins of requirements.lock.

Packages come from the same wheels as with pip: another build of Pillow would link
other codecs and write other bytes.
"""

import re
from pathlib import Path

HERE = Path(__file__).parent

HEAD = """\
# Made by `make lock` from requirements.lock: the same pins, for conda.
name: pixelmill
channels:
  - conda-forge
dependencies:
  - python >=3.11,<3.15
  - pip
  - pip:
"""


def main() -> None:
    """Write the file."""
    lock = (HERE / "requirements.lock").read_text(encoding="utf-8")
    pins = re.findall(r"^([A-Za-z0-9_.-]+==[^\\\n]+?) *\\?$", lock, re.MULTILINE)
    lines = [f'      - "{pin}"\n' for pin in pins]
    (HERE / "environment.yaml").write_text(HEAD + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
