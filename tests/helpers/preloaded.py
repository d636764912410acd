"""Run Snakemake, the scripts of its jobs, and `pixelmill`, with one shared import of libraries.

Importing the libraries takes longer than most runs in tests. `Server` starts this file as a
program, which imports them once and then forks for each run: every run has a process, arguments,
an environment, a working directory and standard streams of its own.

Runs of the code in this repository are forked from a copy of the server that has imported the
modules of pixelmill too. Runs of code in other folders import that code.
"""

import array
import marshal
import os
import socket
import sys

#: Libraries that most runs import.
LIBRARIES = (
    "snakemake.cli",
    "snakemake.report.html_reporter",
    "cv2",
    "cykooz_resizer.rust_lib",
    "dask.local",
    "dask.system",
    "imagecodecs",
    "jinja2",
    "jsonschema",
    "simplejpeg",
    "smart_open",
    "tifffile",
    "xxhash",
    "yaml",
)

#: The code of this repository.
SCRIPTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts")
SCRIPTS = os.path.normpath(SCRIPTS)

#: Sockets of the server and of the copy that has imported pixelmill.
PLAIN, WITH_PIXELMILL = "socket", "pixelmill"

#: Keeps the libraries from starting threads, which do not survive a fork.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), "1"
)

#: The program ``python`` that jobs of Snakemake find: it runs scripts in forked processes, and
#: everything else in a new interpreter.
LAUNCHER = """#!/bin/sh
case "$1" in
  *.py) exec {python} -ISE {module} {folder} "$@";;
  *) exec {python} "$@";;
esac
"""


class Server:
    """A process that has imported the libraries. It ends when `close` is called.

    Parameters
    ----------
    environment : dict
        Environment in which they are imported.
    """

    def __init__(self, environment):
        import shlex
        import subprocess
        import tempfile

        self._folder = tempfile.TemporaryDirectory()
        launcher = os.path.join(self._folder.name, "python")
        parts = {"python": sys.executable, "module": __file__, "folder": self._folder.name}
        with open(launcher, "w", encoding="utf-8") as file:
            file.write(LAUNCHER.format(**{key: shlex.quote(part) for key, part in parts.items()}))
        os.chmod(launcher, 0o700)
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__],
            cwd=self._folder.name,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**environment, **ONE_THREAD},
        )
        for _ in (PLAIN, WITH_PIXELMILL):
            self._process.stdout.readline()  # sent by each when it listens

    def run(self, command, folder, environment, seconds):
        """Run a command in a folder; return its exit status and all that it wrote.

        Parameters
        ----------
        command : list
            ``snakemake``, ``pixelmill`` or the path of a script, and arguments.
        folder : path
        environment : dict
        seconds : float
            Longest time that it may take.

        Raises
        ------
        TimeoutError
            If it takes longer.
        """
        import tempfile

        with tempfile.NamedTemporaryFile("r", errors="backslashreplace") as output:
            written = [output.name, output.name]
            return self._ask(command, folder, environment, seconds, written), output.read()

    def run_apart(self, command, folder, environment, seconds):
        """Return the exit status, standard output and standard error, else as `run`."""
        import tempfile

        with (
            tempfile.NamedTemporaryFile("r", errors="backslashreplace") as output,
            tempfile.NamedTemporaryFile("r", errors="backslashreplace") as errors,
        ):
            written = [output.name, errors.name]
            status = self._ask(command, folder, environment, seconds, written)
            return status, output.read(), errors.read()

    def _ask(self, command, folder, environment, seconds, written):
        command = [str(part) for part in command]
        with (
            open(os.devnull, "rb") as nothing,
            open(written[0], "ab") as output,
            open(written[1], "ab") as errors,
        ):
            streams = [nothing.fileno(), output.fileno(), errors.fileno()]
            try:
                return ask(self._folder.name, command, str(folder), environment, streams, seconds)
            except TimeoutError:
                self._process.kill()
                raise TimeoutError(f"{' '.join(command)}: no end in {seconds} s") from None

    def close(self):
        """End the process."""
        self._process.communicate()
        self._folder.cleanup()


def ask(server, command, folder, environment, streams, seconds=None):
    """Let a server run a command; return the exit status of the command.

    Parameters
    ----------
    server : str
        Folder of the server.
    command : list of str
        ``snakemake``, ``pixelmill`` or the path of a script, and arguments.
    folder : str
        Working directory of the command.
    environment : dict
        Environment of the command.
    streams : list of int
        File descriptors of its standard streams.
    seconds : float, optional
        Longest time that it may take.

    Raises
    ------
    TimeoutError
        If it takes longer.
    """
    here = os.getcwd()
    with socket.socket(socket.AF_UNIX) as connection:
        os.chdir(server)  # the path of a socket must be short
        try:
            connection.connect(WITH_PIXELMILL if is_own(command, environment) else PLAIN)
        finally:
            os.chdir(here)
        connection.settimeout(seconds)
        request = marshal.dumps((command, folder, dict(environment)))
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", streams))
        connection.sendmsg([len(request).to_bytes(4, "big")], [rights])
        connection.sendall(request)
        answer = connection.recv(4)
    return int.from_bytes(answer, "big", signed=True) if answer else 1


def is_own(command, environment):
    """Whether a command runs the code of this repository."""
    if command[0] == "pixelmill":
        return environment.get("PYTHONPATH") == SCRIPTS
    return os.path.dirname(os.path.abspath(command[0])) == SCRIPTS


def serve(name):
    """Fork for each request; return the request in the process that is to run it.

    The server ends at the end of its standard input.
    """
    import select

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        listener.listen()
        print(flush=True)
        answering = set()
        while listener in select.select([sys.stdin, listener], [], [])[0]:
            connection, _ = listener.accept()
            child = os.fork()
            if not child:
                break
            connection.close()
            answering = {pid for pid in answering if not os.waitpid(pid, os.WNOHANG)[0]} | {child}
        else:
            for pid in answering:
                os.waitpid(pid, 0)
            os._exit(0)
    size, streams, _, _ = socket.recv_fds(connection, 4, 3)
    with connection, connection.makefile("rb") as file:
        request = marshal.loads(file.read(int.from_bytes(size, "big")))
        child = os.fork()
        if child:
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            connection.sendall(status.to_bytes(4, "big", signed=True))
            os._exit(0)
    return *request, streams


def become(command, folder, environment, streams):
    """Make this process look like a new interpreter that was started for a command."""
    import tempfile
    from multiprocessing import process

    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # the environment may name another one
    process.ORIGINAL_DIR = folder
    sys.argv = command
    is_module = command[0] in ("snakemake", "pixelmill")
    first = folder if is_module else os.path.dirname(os.path.abspath(command[0]))
    given = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:0] = [*([] if environment.get("PYTHONSAFEPATH") else [first]), *given]


def run():
    """Run the command in `sys.argv`; return its exit status."""
    import runpy
    import traceback

    try:
        if sys.argv[0] == "snakemake":
            sys.modules["snakemake.cli"].main()
        elif sys.argv[0] == "pixelmill":
            runpy.run_module("pixelmill", run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        if not isinstance(end.code, str):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def end(status):
    """End this process as an interpreter does, but do not free its memory, which takes long."""
    import atexit
    import threading

    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):  # Snakemake leaves some that have no effect
            thread.cancel()
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def import_libraries():
    """Import the libraries, and let the child processes of runs be forked too."""
    import contextlib
    import gc
    import importlib
    import subprocess

    sys.path.insert(0, os.path.dirname(__file__))
    subprocess.Popen = importlib.import_module("forked_children").Forked
    del sys.path[0]
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):  # some are not made for all systems
            importlib.import_module(name)
    sys.modules["snakemake.cli"].get_argument_parser()  # finds all plugins, which takes long
    gc.freeze()


def import_pixelmill():
    """Import all modules of this repository."""
    import contextlib
    import gc
    import importlib
    import pkgutil

    sys.path.insert(0, SCRIPTS)
    package = importlib.import_module("pixelmill")
    for module in pkgutil.walk_packages(package.__path__, "pixelmill."):
        if not module.name.endswith("__main__"):
            with contextlib.suppress(ImportError):  # some need an extra
                importlib.import_module(module.name)
    del sys.path[0]
    gc.freeze()


if __name__ == "__main__":
    if sys.argv[1:]:  # the launcher
        status = ask(sys.argv[1], sys.argv[2:], os.getcwd(), os.environ, [0, 1, 2])
        sys.exit(status if status >= 0 else 128 - status)
    import_libraries()
    launcher = os.path.abspath("python")
    place = PLAIN
    if not os.fork():
        place = WITH_PIXELMILL
        import_pixelmill()
    become(*serve(place))
    if sys.argv[0] in ("snakemake", "pixelmill"):
        sys.executable = launcher
    end(run())
