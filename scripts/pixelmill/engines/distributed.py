"""Distributed: the engine `distributed`, over Dask workers on this machine or on others.

The workers share the file system and write the outputs themselves, so that their results are
small. They may join and leave during a run. `pixelmill.engines.code_bundle` sends them their
code, and `pixelmill.pipeline.cluster_worker` is what they run.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import pickle
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pixelmill.core.errors import UserError
from pixelmill.core.files import temporary_beside
from pixelmill.engines import machine, semaphores
from pixelmill.engines.base import (
    MOST_RESULT_BYTES,
    STARTUP_TIMEOUT,
    TASKS_PER_WORKER,
    Engine,
    Result,
    Task,
)

log = logging.getLogger(__name__)

#: Longest time that the scheduler may take to answer, in seconds.
CONNECT_TIMEOUT = 10.0

#: How long a run waits for new workers if all are gone, in seconds.
PATIENCE = 300.0

#: How long a local worker may be silent in addition to the time limit of an image, in seconds,
#: before it counts as dead because something stopped it.
SILENCE_ALLOWANCE = 20.0

#: How often the workers are counted, in seconds.
_LOOK_INTERVAL = 1.0

#: How often Dask may give up a batch, because four of its workers died, before the run stops:
#: each death reveals one bad image, so more deaths mean that the cluster is at fault.
MOST_LOSSES = 5

#: Software of which scheduler, workers and client need the same version to communicate.
_PROTOCOL_SOFTWARE = ("python", "dask", "distributed", "cloudpickle")


@dataclass(frozen=True)
class Cluster:
    """Where the workers are.

    Attributes
    ----------
    scheduler : str
        ``local`` for workers on this machine, an address such as ``tls://host:8786``, or
        the path of a scheduler file.
    tls : tuple of str
        Paths of the authority's certificate, the client's certificate and its key; or empty.
    """

    scheduler: str = "local"
    tls: tuple[str, ...] = ()

    @property
    def machine(self) -> str:
        """Fingerprint of the machine, as times are only compared on one; ``cluster`` if many."""
        return machine.machine_fingerprint() if self.scheduler == "local" else "cluster"


@contextlib.contextmanager
def open_cluster(
    cluster: Cluster,
    workers: int,
    folder: str,
    report: str,
    longest: float = STARTUP_TIMEOUT,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Engine]:
    """Connect to a cluster; on exit, end what was started.

    Parameters
    ----------
    cluster : Cluster
    workers : int
        How many workers to start if the scheduler is ``local``.
    folder : str
        A folder that all workers see, for the code bundle and the results.
    report : str
        Path of the HTML page on which Dask reports what the workers did.
    longest : float
        Time limit of an image for local workers, in seconds.
    environment : mapping, optional
        Environment variables for local workers.

    Raises
    ------
    UserError
        If the cluster cannot be reached or used.
    """
    started = time.perf_counter()
    with contextlib.ExitStack() as held:
        client = _connect(cluster, workers, folder, longest, held, environment or {})
        engine = _Distributed(client, cluster.scheduler, folder)
        engine.startup_seconds = time.perf_counter() - started
        log.info("dashboard: %s", client.dashboard_link)
        with _performance(client, report):
            yield engine


def _connect(
    cluster: Cluster,
    workers: int,
    folder: str,
    longest: float,
    held: contextlib.ExitStack,
    environment: Mapping[str, str],
) -> Any:
    """Return a client whose scheduler has at least one worker."""
    address: dict[str, Any] = _address(cluster)
    try:
        import dask.config
        from distributed import Client, LocalCluster
        from distributed.security import Security
    except ImportError as error:
        raise UserError(
            f"engine: 'distributed' needs the package '{error.name}'; install "
            "envs/requirements-cluster.lock."
        ) from error
    _be_quiet()
    if cluster.scheduler == "local":
        semaphores.require("distributed")
        held.enter_context(
            dask.config.set(
                {
                    "temporary-directory": folder,
                    "distributed.scheduler.worker-ttl": f"{longest + SILENCE_ALLOWANCE} s",
                }
            )
        )
        # Without TLS, other users of this machine could run code in the workers.
        security = Security.temporary()
        started = LocalCluster(
            n_workers=workers, threads_per_worker=1, host="127.0.0.1", protocol="tls://",
            security=security, dashboard_address="127.0.0.1:0", env=dict(environment),
        )  # fmt: skip
        address = {"address": held.enter_context(started)}
    elif cluster.tls:
        authority, certificate, key = cluster.tls
        security = Security(
            tls_ca_file=authority, tls_client_cert=certificate, tls_client_key=key,
            require_encryption=True,
        )  # fmt: skip
    else:
        security = Security()
    try:
        client = held.enter_context(
            Client(security=security, timeout=CONNECT_TIMEOUT, name="pixelmill", **address)
        )
    except Exception as error:
        raise UserError(
            f"The scheduler at '{cluster.scheduler}' cannot be reached ({_first_line(error)}); is "
            "it running, and does it accept these certificates?"
        ) from error
    if is_exposed(client.scheduler.address):
        log.warning(
            "'%s' is not encrypted: anyone who can reach it can run code in its workers; use tls",
            client.scheduler.address,
        )
    try:
        client.wait_for_workers(1, timeout=STARTUP_TIMEOUT)
    except TimeoutError as error:
        raise UserError(
            f"The scheduler at '{cluster.scheduler}' has no workers; start some, then run the "
            "same command again."
        ) from error
    return client


def _address(cluster: Cluster) -> dict[str, str]:
    """Return the arguments with which a client finds the scheduler, after checking them."""
    scheduler = cluster.scheduler
    for path in cluster.tls:
        if not os.path.isfile(path):
            raise UserError(f"tls: '{path}' is not a file; give certificates and key as PEM files.")
    if scheduler == "local":
        return {}
    if "://" not in scheduler:
        if os.path.isfile(scheduler):
            return {"scheduler_file": scheduler}
        raise UserError(
            f"scheduler: '{scheduler}' is not a file; give local, tls://HOST:PORT, or the file "
            "that `dask scheduler --scheduler-file` wrote."
        )
    protocol = urlsplit(scheduler).scheme
    if protocol not in ("tcp", "tls"):
        raise UserError(
            f"scheduler: '{protocol}' in '{scheduler}' is not supported; use tls (or tcp)."
        )
    if protocol == "tls" and not cluster.tls:
        raise UserError(
            f"tls: '{scheduler}' is encrypted; give the authority's certificate, your own and its "
            "key."
        )
    return {"address": scheduler}


def is_exposed(address: str) -> bool:
    """Return whether others on the network could use a scheduler.

    Examples
    --------
    >>> is_exposed("tls://10.0.0.7:8786"), is_exposed("tcp://127.0.0.1:8786")
    (False, False)
    >>> is_exposed("tcp://10.0.0.7:8786")
    True
    """
    parts = urlsplit(address)
    inside = ("127.0.0.1", "localhost", "::1")
    return parts.scheme != "tls" and parts.hostname not in inside


def _be_quiet() -> None:
    """Silence Dask's log, except for critical messages; this module reports the rest."""
    import warnings

    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] in ("distributed", "tornado", "bokeh"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module="distributed")


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__


def _compare_versions(client: Any, workers: Iterable[str]) -> None:
    """Check that the scheduler and the workers have the versions of this client.

    Raises
    ------
    UserError
        If one of them differs.
    """
    from distributed.versions import get_versions

    ours = get_versions()["packages"]
    found = {"The scheduler": client.run_on_scheduler(get_versions)}
    answers = client.run(get_versions, workers=list(workers), on_error="ignore")
    found |= {f"The worker '{name}'": answer for name, answer in answers.items()}
    for who, state in found.items():
        for name in _PROTOCOL_SOFTWARE:
            theirs = state["packages"][name]
            if _compatible(name, theirs) != _compatible(name, ours[name]):
                raise UserError(
                    f"{who} has {name} {theirs}, but this machine has {ours[name]}; install "
                    "the same versions on both."
                )


def _compatible(name: str, version: str) -> str:
    """Return the part of a version that must agree: two numbers of Python's 3.11.7.final.0."""
    return ".".join(version.split(".")[:2]) if name == "python" else version


@contextlib.contextmanager
def _performance(client: Any, path: str) -> Iterator[None]:
    """Write Dask's report on what the workers did, if the run succeeds."""
    from distributed import performance_report

    with client.as_current():
        report = contextlib.ExitStack()
        temporary = temporary_beside(path)  # because Dask follows links
        report.enter_context(performance_report(filename=temporary, mode="inline"))
        yield
        try:
            report.close()
            os.replace(temporary, path)
        except Exception as error:  # the scheduler may lack bokeh
            log.warning("no performance report: %s", _first_line(error))


class _Distributed:
    """Keeps a few batches per thread in progress, however many workers there are."""

    def __init__(self, client: Any, scheduler: str, folder: str) -> None:
        self._client = client
        self._scheduler = scheduler
        self._folder = folder
        self._looked = 0.0
        self._threads = 0
        self._known: set[str] = set()
        self._alive = time.monotonic()
        self._look()
        self.workers = self._threads
        self.startup_seconds = 0.0

    def run(
        self,
        work: Callable[[Task], Result],
        tasks: Iterable[Task],
        on_result: Callable[[Result], None],
    ) -> None:
        from concurrent.futures import CancelledError

        from distributed.comm import CommClosedError

        try:
            self._run(self._deliver(work), iter(tasks), on_result)
        except (CancelledError, CommClosedError) as error:
            raise UserError(
                f"The scheduler at '{self._scheduler}' is gone; start it again, then run the same "
                "command again. Finished images are kept."
            ) from error

    def _deliver(self, work: Callable[[Task], Result]) -> str:
        """Send the code and the work to the present workers; later ones get them with a batch."""
        import cloudpickle

        from pixelmill.engines import code_bundle

        cloudpickle.register_pickle_by_value(code_bundle)
        digest = code_bundle.pack(self._folder, work)
        answers = self._client.run(code_bundle.why_unable, self._folder, digest, on_error="ignore")
        for sentence in filter(None, answers.values()):
            raise UserError(sentence)
        return digest

    def _run(self, digest: str, tasks: Iterator[Any], on_result: Callable[[Any], None]) -> None:
        from pixelmill.engines import code_bundle

        pending: dict[Any, int] = {}  # how often Dask gave up each batch
        while True:
            window = TASKS_PER_WORKER * max(1, self._threads)  # a future worker counts
            for task in itertools.islice(tasks, max(0, window - len(pending))):
                name = f"pixelmill-{secrets.token_hex(8)}"
                message = code_bundle.message(self._folder, digest, task, name)
                pending[self._client.submit(pickle.loads, message, key=name)] = 0
            if not pending:
                return
            for future in self._ended(pending):
                if future.status == "error":
                    pending[future] += 1
                    self._try_again(future, pending[future])
                    continue
                del pending[future]
                future.release()
                on_result(self._take(future.key))

    def _try_again(self, future: Any, losses: int) -> None:
        """Hand out again a batch that Dask gave up because workers died.

        Raises
        ------
        UserError
            If that has not helped, or a worker cannot do the work.
        """
        from distributed.scheduler import KilledWorker, NoWorkerError

        error = future.exception()
        if isinstance(error, RuntimeError):  # a sentence of `code_bundle.run_batch`
            raise UserError(str(error)) from error
        if not isinstance(error, KilledWorker | NoWorkerError):
            raise error
        if losses > MOST_LOSSES:
            raise UserError(
                f"Workers of '{self._scheduler}' keep dying; check their logs and memory, then "
                "run the same command again. Finished images are kept."
            ) from error
        future.retry()

    def _take(self, name: str) -> Any:
        """Read and remove the result of a batch."""
        path = Path(self._folder, name)
        with path.open("rb") as file:
            content = file.read(MOST_RESULT_BYTES)  # a longer result is cut, hence malformed
        path.unlink()
        return content

    def _ended(self, pending: Collection[Any]) -> set[Any]:
        """Count the workers, and return the futures that end within a moment."""
        from distributed import wait

        self._look()
        try:
            return set(
                wait(list(pending), timeout=_LOOK_INTERVAL, return_when="FIRST_COMPLETED").done
            )
        except TimeoutError:
            return set()

    def _look(self) -> None:
        """Count the threads of the workers, at most once per interval.

        Raises
        ------
        UserError
            If there has been no worker for too long, or a new one has other versions.
        """
        now = time.monotonic()
        if now - self._looked < _LOOK_INTERVAL:
            return
        self._looked = now
        workers = self._client.nthreads()
        if new := workers.keys() - self._known:
            _compare_versions(self._client, new)
            self._known |= new
        self._threads = sum(workers.values())
        if self._threads:
            self._alive = now
        elif now - self._alive > PATIENCE:
            raise UserError(
                f"All workers of '{self._scheduler}' are gone; start some, then run the same "
                "command again. Finished images are kept."
            )
