"""Child processes that a run starts, and what they leave behind.

Everything that a child started ends with it (`process_trees`). Temporary files and semaphores of
children have names that are known in advance. The token of a run is stored beside the ledger, so
that the next run finds what a killed run left behind.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pickle
import queue
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable
from typing import Any, NamedTuple

from pixelmill.core.safe_path import LIBRARY
from pixelmill.core.tables import read_json, write_json
from pixelmill.pipeline import messages, process_trees
from pixelmill.pipeline.process_trees import END_ALLOWANCE, VARIABLE, descendants, subreaper

#: Where the token of a run is stored, beside the ledger, while the run has children.
RECORD = ".offspring"

#: Messages that may wait to be read.
_MOST_WAITING = 1_000

#: Size of the largest message that is written without a thread, in bytes: a pipe has room for it.
_SMALL = 4_096

#: Names of environment variables that hold secrets.
_SECRET = re.compile(
    "SECRET|TOKEN|PASSW|PASSPHRASE|CREDENTIAL|APIKEY|_PWD$|(^|_)(AUTH|PASS|PAT|KEY)(_|$)",
    re.I,
)

#: Addresses with a password, such as those of databases, in values.
_PASSWORD = re.compile(r"://[^\s/:@]*:[^\s/@]+@")

_TOKEN = re.compile(r"[0-9a-f]{16}")

#: Where Linux keeps named semaphores.
_SEMAPHORES = "/dev/shm"

#: Starts a child, which imports from the folder of this package only until it has its orders.
_BEGIN = (
    "import sys; sys.path.insert(0, {folder!r}); "
    "from pixelmill.pipeline.bootstrap import main; main()"
)


class Message(NamedTuple):
    """A message of a child: its kind, such as ``gone`` at the end of the child, and its content."""

    child: ChildProcess
    kind: str
    content: bytes


class ChildProcesses:
    """Starts children, and ends them with everything that they started.

    Parameters
    ----------
    state : str, optional
        Folder where the token is stored for the next run, in case this one is killed.
    withhold : bool
        Whether environment variables are kept from children whose names are those of secrets, or
        which have the address of something with its password.
    is_early : bool
        Whether a child is started before the folder is known; see `belong_to`.

    Attributes
    ----------
    token : str
    has_withheld : bool
        Whether there were such variables.
    """

    def __init__(
        self, state: str | None = None, withhold: bool = False, is_early: bool = False
    ) -> None:
        self.token = os.urandom(8).hex()
        self.has_withheld = False
        self._state = state
        self._withhold = withhold
        self._is_early = is_early
        self._scratch = ""
        self._numbers = itertools.count()
        self._children: list[ChildProcess] = []
        self._begun = False
        self._before: set[int] = set()
        self._below_others: set[int] = set()

    def __enter__(self) -> ChildProcesses:
        return self

    def __exit__(self, *error: object) -> None:
        for child in list(self._children):
            child.end()
        if self._begun:
            self._begun = False
            subreaper.leave()
            _remove(self.token, self._scratch)
            if self._state:
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(self._state, RECORD))

    def start(self, task: str, inbox: queue.Queue[Message], **orders: Any) -> ChildProcess:
        """Start a child; see `pixelmill.pipeline.bootstrap` for tasks and their arguments.

        Parameters
        ----------
        task : str
        inbox : queue
            Receives its messages.
        **orders
            Picklable arguments of the task.
        """
        self._begin()
        marker = f"{self.token}-{next(self._numbers)}"
        environment = {
            name: value
            for name, value in os.environ.items()
            if not (self._withhold and (_SECRET.search(name) or _PASSWORD.search(value)))
        }
        self.has_withheld |= len(environment) < len(os.environ)
        environment[VARIABLE] = marker
        if self._scratch:
            environment["TMPDIR"] = self._scratch
        child = ChildProcess(marker, environment, inbox, self._children)
        settings: messages.ChildSettings = {
            "path": sys.path,
            "parent": os.getpid(),
            "token": self.token,
            "scratch": self._scratch,
        }
        # Orders may contain objects of modules that are found only on the path.
        child.give((task, settings, pickle.dumps(orders)))
        return child

    def belong_to(self, state: str) -> None:
        """Say to which run an early child belongs, before it is given work.

        Parameters
        ----------
        state : str
            As for the constructor.
        """
        self._state = state
        self._is_early = False
        self._prepare()

    def mark(self) -> dict[str, str]:
        """Return the environment for processes that a library starts with `multiprocessing`.

        These processes must call `adopt_orphans`.
        """
        self._begin()
        self._before = set(process_trees.children_of(os.getpid()))
        return {VARIABLE: f"{self.token}-others"}

    def note_others(self) -> None:
        """Note what those processes have started, before they end."""
        self._below_others |= self._others()

    def end_others(self) -> None:
        """End what came from those processes."""
        self._below_others |= self._others()
        process_trees.end_all(f"{self.token}-others", (), self._below_others)

    def _others(self) -> set[int]:
        """Return the numbers of new processes of `multiprocessing`, and of all below them.

        A fork of a worker has the worker's command line, and becomes a child of this process when
        the worker ends. Environments do not help: Dask sets that of a worker after its start,
        where the system does not show it.
        """
        new = set(process_trees.children_of(os.getpid())).difference(self._before)
        found: set[int] = set()
        for pid in new:
            if process_trees.is_of_multiprocessing(pid):
                found |= {pid, *descendants(pid)}
        return found

    def _begin(self) -> None:
        if self._begun:
            return
        self._begun = True
        subreaper.enter()
        with contextlib.suppress(OSError):  # no folder for temporary files can be written to
            folder = os.path.abspath(tempfile.gettempdir())
            self._scratch = os.path.join(folder, f"pixelmill-{self.token}")
        if not self._is_early:
            self._prepare()

    def _prepare(self) -> None:
        """Store the token, and create the folder for temporary files, which children can lack."""
        if self._state:
            record = {"token": self.token, "scratch": self._scratch}
            write_json(os.path.join(self._state, RECORD), record)
        if self._scratch:
            with contextlib.suppress(OSError):
                os.mkdir(self._scratch, 0o700)


class ChildProcess:
    """A child process that receives orders and sends messages.

    Parameters
    ----------
    marker : str
    environment : dict
    inbox : queue
        Receives its messages.
    siblings : list
        Contains the child until it ends.
    """

    def __init__(
        self,
        marker: str,
        environment: dict[str, str],
        inbox: queue.Queue[Message],
        siblings: list[ChildProcess],
    ) -> None:
        self._marker = marker
        self._inbox = inbox
        self._siblings = siblings
        self._ended = False
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", _BEGIN.format(folder=LIBRARY)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=environment,
            # So that its group can be killed. Elsewhere, it stays in the group of this process.
            start_new_session=sys.platform == "linux",
        )
        siblings.append(self)
        self._threads = [threading.Thread(target=self._listen, daemon=True)]
        self._threads[0].start()

    def give(self, *orders: object) -> None:
        """Send objects, pickled; does not wait until they are read."""
        packed = [pickle.dumps(order) for order in orders]
        if sum(map(len, packed)) < _SMALL:
            self._write(packed)
            return
        self._threads.append(threading.Thread(target=self._write, args=(packed,), daemon=True))
        self._threads[-1].start()

    def wait(self) -> int | None:
        """Return the exit status after the message ``gone``; None if the process is still alive."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(1.0)
        return None

    def end(self) -> None:
        """Kill the process and everything that it started."""
        if not self._ended:
            self._ended = True
            self._siblings.remove(self)
            process_trees.end_all(self._marker, [self.process])
            for thread in self._threads:
                thread.join(END_ALLOWANCE)  # its pipes are closed now
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe is not None:
                    pipe.close()

    def _write(self, packed: Iterable[bytes]) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):  # it died, as the end of its messages will show
            for order in packed:
                messages.write(self.process.stdin.fileno(), order)

    def _listen(self) -> None:
        """Pass on its messages; a malformed one is treated as its end."""
        assert self.process.stdout is not None
        with contextlib.suppress(OSError, messages.MalformedError):
            for body in messages.bodies(self.process.stdout.fileno()):
                self._pass_on(*messages.split(body))
        self._pass_on("gone", b"")

    def _pass_on(self, kind: str, content: bytes) -> None:
        while not self._ended:
            with contextlib.suppress(queue.Full):
                self._inbox.put(Message(self, kind, content), timeout=0.1)
                return


def end_leftovers(state: str) -> None:
    """End the processes of a killed run, and remove its files.

    Parameters
    ----------
    state : str
        Folder of the ledger, which this process has locked.
    """
    path = os.path.join(state, RECORD)
    try:
        record = read_json(path)
        token, scratch = str(record["token"]), str(record["scratch"])
    except FileNotFoundError:
        return
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        token = scratch = ""
    if _TOKEN.fullmatch(token):
        process_trees.kill_marked(token)
        _remove(token, scratch)
    with contextlib.suppress(OSError):
        os.unlink(path)


def _remove(token: str, scratch: str) -> None:
    """Remove the temporary files and semaphores of a run."""
    if os.path.basename(scratch) == f"pixelmill-{token}":
        with contextlib.suppress(OSError):
            state = os.lstat(scratch)
            if stat.S_ISDIR(state.st_mode) and state.st_uid == getattr(os, "getuid", int)():
                shutil.rmtree(scratch, ignore_errors=True)
    with contextlib.suppress(OSError):  # other systems have no such folder
        for entry in os.scandir(_SEMAPHORES):
            if entry.name.startswith(f"sem.pixelmill-{token}-"):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)
