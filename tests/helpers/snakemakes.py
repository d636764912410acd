"""Run Snakemake with one shared import, which takes longer than most runs.

`Server` starts this file as a program. It imports Snakemake, then forks for each run: every run
has a process, an environment, a working directory and standard streams of its own.
"""

import json
import os
import select
import subprocess
import sys
import tempfile


class Server:
    """A process that has imported Snakemake; it ends with this object's `close`.

    Parameters
    ----------
    environment : dict
        Environment in which Snakemake is imported.
    """

    def __init__(self, environment):
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def run(self, arguments, folder, environment, seconds):
        """Run Snakemake in a folder; return its exit status and all that it wrote.

        Raises
        ------
        TimeoutError
            If it has not ended after so many seconds.
        """
        with tempfile.NamedTemporaryFile("r", errors="backslashreplace") as output:
            request = [[str(part) for part in arguments], str(folder), environment, output.name]
            self._process.stdin.write(f"{json.dumps(request)}\n")
            self._process.stdin.flush()
            if not select.select([self._process.stdout], [], [], seconds)[0]:
                self._process.kill()
                raise TimeoutError(f"snakemake {' '.join(request[0])}: no end in {seconds} s")
            return int(self._process.stdout.readline()), output.read()

    def close(self):
        """End the process."""
        self._process.communicate()


def wait_for_request():
    """Fork for each request on standard input; return in the children only."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            return json.loads(line)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    sys.exit()


def become(arguments, folder, environment, output):
    """Make this process look like a fresh ``python -m snakemake`` that writes to a file."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    written = os.open(output, os.O_WRONLY | os.O_APPEND)
    os.dup2(written, 1)
    os.dup2(written, 2)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["snakemake", *arguments]
    sys.path[:0] = [folder, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]


if __name__ == "__main__":
    import snakemake.cli
    import snakemake.report.html_reporter  # imported by every run

    become(*wait_for_request())
    snakemake.cli.main()
