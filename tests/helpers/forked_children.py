"""Child processes of runs that are forked, for tests that are not about their start.

A run starts a child process, which imports the library before it renders an image. If a test
renders a few small images, the import is most of its work. `Forked` makes the child a copy of the
current process, which has imported the library already. Everything else about the child is real:
its pipes, session, environment and end. The processes that it starts are started as usual.
"""

import contextlib
import faulthandler
import functools
import gc
import inspect
import logging
import os
import subprocess
import sys
import tempfile
import traceback
import types
import warnings
from multiprocessing import forkserver, resource_tracker

#: Module that only the program of such a child names.
_BOOTSTRAP = "pixelmill.pipeline.bootstrap"

_PARAMETERS = list(inspect.signature(subprocess.Popen._execute_child).parameters)[1:]
_PIPES = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")


class Forked(subprocess.Popen):
    """A `subprocess.Popen` that forks the child process of a run and starts all other programs."""

    def _execute_child(self, *given):
        options = dict(zip(_PARAMETERS, given, strict=True))
        if _BOOTSTRAP not in str(options["args"][-1]):
            super()._execute_child(*given)
            return
        self._child_created = True
        # The child uses nothing that another thread may hold.
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            self.pid = os.fork()
        if not self.pid:
            _run(options["args"][-1], options["env"], options["p2cread"], options["c2pwrite"])
        self._close_pipe_fds(*(options[name] for name in _PIPES))


#: Takes the place of the module `subprocess` in a module that starts child processes.
SUBPROCESS = types.SimpleNamespace(**{**vars(subprocess), "Popen": Forked})


def _forget():
    """Empty the caches of the library: they may describe the process that this one is a copy of."""
    modules = [module for name, module in sys.modules.items() if name.startswith("pixelmill.")]
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, functools._lru_cache_wrapper):
                value.cache_clear()


def _run(program, environment, inbox, outbox):
    """Run a program in this process as a new interpreter would."""
    try:
        faulthandler.disable()  # its file is closed below
        # Files of the process that this one is a copy of must not be closed by their numbers later.
        if archives := sys.modules.get("pixelmill.storage.archives"):
            vars(archives._of_thread).clear()
        gc.freeze()
        os.setsid()
        os.dup2(inbox, 0)
        os.dup2(outbox, 1)
        os.closerange(3, 2**16)
        os.environ.clear()
        os.environ.update(environment)
        sys.stdin, sys.stdout, sys.stderr = (
            open(number, mode, closefd=False)  # noqa: SIM115
            for number, mode in enumerate("rww")
        )
        sys.argv = ["-c"]
        sys.modules["__main__"] = main = types.ModuleType("__main__")
        tempfile.tempdir = None  # the environment may name another one
        resource_tracker._resource_tracker.__init__()
        forkserver._forkserver.__init__()
        _forget()
        root = logging.getLogger()
        root.handlers.clear()
        root.setLevel(logging.WARNING)
        exec(program, vars(main))
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    os._exit(0)
