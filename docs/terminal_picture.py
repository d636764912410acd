"""Draw what a command shows in a terminal as an SVG picture: `make terminal` draws a run."""

import argparse
import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

#: Columns of the terminal.
COLUMNS = 112

#: The picture uses a font of the reader's system; rich would load one from the network.
FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def main(command: list[str], title: str, picture: Path) -> int:
    """Run a command in a terminal, draw what remains on it, and return its exit status."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": "50"}
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        while chunk := _read(ours):
            shown += chunk
            sys.stdout.buffer.write(chunk)
            sys.stdout.flush()
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(f"$ {title}\n{remaining(shown.decode(errors='replace'))}"))
    svg = FONT.sub("", console.export_svg(title="", theme=MONOKAI, unique_id="run"))
    picture.write_text(svg.replace("Fira Code", "monospace"), encoding="utf-8")
    return process.returncode


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux reports the end of the program so
        return b""


def remaining(text: str) -> str:
    r"""Return the lines that remain, without those that were overwritten.

    >>> remaining("50 %\r100 %\r\x1b[Kdone\r\n")
    'done'
    """
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    return "\n".join(re.sub(r"\x1b\[[0-9;]*[A-LN-Za-ln-z]", "", line) for line in lines).rstrip()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path, help="SVG file")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="command, with its arguments")
    options = parser.parse_args()
    sys.exit(main(options.command, " ".join(options.command), options.picture))
