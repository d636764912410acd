"""Cluster: the engine `distributed`, over Dask workers here or on other machines.

The workers share the file system and write the outputs themselves; what comes back is
small. They may come and go. What is sent to them, and what they do with it, is in
`pixelmill.engines.code_bundle` and `pixelmill.pipeline.cluster_worker`.
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
from pixelmill.engines.base import MOST_RESULT_BYTES, STARTUP_TIMEOUT, Engine, Result, Task

log = logging.getLogger(__name__)

#: Batches that are handed out for each thread of the cluster: one in hand, one waiting.
WINDOW = 2

#: How long the scheduler may take to answer, in seconds.
CONNECT_TIMEOUT = 10.0

#: How long a run waits where all workers are gone, in seconds.
PATIENCE = 300.0

#: How long a worker that was started here may be silent beyond the time of an image, in seconds,
#: before it counts as dead: something stopped it.
SILENCE_ALLOWANCE = 20.0

#: How often the number of workers is looked at, in seconds.
_LOOK_INTERVAL = 1.0

#: Times that Dask may give up a batch, because four workers that had it died, before the
#: cluster is blamed, not the images: each death tells of one of these.
MOST_LOSSES = 5

#: What scheduler and workers must have in the same version to understand each other.
_SPOKEN = ("python", "dask", "distributed", "cloudpickle")


@dataclass(frozen=True)
class Cluster:
    """Where the workers are.

    Attributes
    ----------
    scheduler : str
        ``local`` for workers on this machine, an address such as ``tls://host:8786``, or
        a scheduler file.
    tls : tuple of str
        Paths of the authority's certificate, of ours and of our key; or nothing.
    """

    scheduler: str = "local"
    tls: tuple[str, ...] = ()

    @property
    def machine(self) -> str:
        """What the times of a pass may be compared on: those of many machines on none."""
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
    """Connect to a cluster; what was started is ended on leaving.

    Parameters
    ----------
    cluster : Cluster
    workers : int
        To be started for the scheduler ``local``.
    folder : str
        Which all workers see; the parcel goes there.
    report : str
        Path of an HTML page on what the workers did, as Dask has it.
    longest : float
        Seconds that a worker that is started may take over an image.
    environment : mapping, optional
        Variables for workers that are started.

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
    """Return a client whose scheduler has a worker."""
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
        # On a machine with others, a port without TLS would let them run code as us.
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
            "it running, and does it know the certificates given?"
        ) from error
    if is_exposed(client.scheduler.address):
        log.warning(
            "'%s' is not encrypted: who reaches it can run code as its workers; use tls",
            client.scheduler.address,
        )
    try:
        client.wait_for_workers(1, timeout=STARTUP_TIMEOUT)
    except TimeoutError as error:
        raise UserError(
            f"The scheduler at '{cluster.scheduler}' has no workers; start some, then run the "
            "same again."
        ) from error
    return client


def _address(cluster: Cluster) -> dict[str, str]:
    """What a client needs to find the scheduler, checked before anything is imported."""
    scheduler = cluster.scheduler
    for path in cluster.tls:
        if not os.path.isfile(path):
            raise UserError(f"tls: '{path}' is no file; give certificates and key as PEM files.")
    if scheduler == "local":
        return {}
    if "://" not in scheduler:
        if os.path.isfile(scheduler):
            return {"scheduler_file": scheduler}
        raise UserError(
            f"scheduler: '{scheduler}' is no file; give local, tls://HOST:PORT, or the file that "
            "`dask scheduler --scheduler-file` wrote."
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
    """Whether others on the network could join in.

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
    """Let only what ends a run be heard of Dask: we say the rest in our own words."""
    import warnings

    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] in ("distributed", "tornado", "bokeh"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module="distributed")


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__


def _compare_versions(client: Any, workers: Iterable[str]) -> None:
    """Compare the versions of what is to speak with each other.

    Raises
    ------
    UserError
        If the scheduler or a worker differs.
    """
    from distributed.versions import get_versions

    ours = get_versions()["packages"]
    found = {"The scheduler": client.run_on_scheduler(get_versions)}
    answers = client.run(get_versions, workers=list(workers), on_error="ignore")
    found |= {f"The worker '{name}'": answer for name, answer in answers.items()}
    for who, state in found.items():
        for name in _SPOKEN:
            theirs = state["packages"][name]
            if _spoken(name, theirs) != _spoken(name, ours[name]):
                raise UserError(
                    f"{who} has {name} {theirs} where this machine has {ours[name]}: give both "
                    "the same environment."
                )


def _spoken(name: str, version: str) -> str:
    """What of a version matters: of Python's, 3.11.7.final.0, the first two numbers."""
    return ".".join(version.split(".")[:2]) if name == "python" else version


@contextlib.contextmanager
def _performance(client: Any, path: str) -> Iterator[None]:
    """Keep Dask's report of what the workers did, where the run comes to its end."""
    from distributed import performance_report

    with client.as_current():
        report = contextlib.ExitStack()
        temporary = temporary_beside(path)  # Dask would write through a link
        report.enter_context(performance_report(filename=temporary, mode="inline"))
        yield
        try:
            report.close()
            os.replace(temporary, path)
        except Exception as error:  # the scheduler may lack what draws it
            log.warning("no performance report: %s", _first_line(error))


class _Distributed:
    """A window of futures over what workers there are."""

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
        done: Callable[[Result], None],
    ) -> None:
        from concurrent.futures import CancelledError

        from distributed.comm import CommClosedError

        try:
            self._run(self._deliver(work), iter(tasks), done)
        except (CancelledError, CommClosedError) as error:
            raise UserError(
                f"The scheduler at '{self._scheduler}' is gone; start it again, then run the same "
                "again. What is done is kept."
            ) from error

    def _deliver(self, work: Callable[[Task], Result]) -> str:
        """Bring library and work to the workers there are; others get it with a batch."""
        import cloudpickle

        from pixelmill.engines import code_bundle

        cloudpickle.register_pickle_by_value(code_bundle)
        digest = code_bundle.pack(self._folder, work)
        troubles = self._client.run(code_bundle.trouble, self._folder, digest, on_error="ignore")
        for sentence in filter(None, troubles.values()):
            raise UserError(sentence)
        return digest

    def _run(self, digest: str, tasks: Iterator[Any], done: Callable[[Any], None]) -> None:
        from pixelmill.engines import code_bundle

        pending: dict[Any, int] = {}  # with how often Dask gave it up
        while True:
            window = WINDOW * max(1, self._threads)  # 1 for the moment that none is there
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
                done(self._take(future.key))

    def _try_again(self, future: Any, losses: int) -> None:
        """Hand out a batch once more that Dask gave up because workers died.

        Raises
        ------
        UserError
            If that does not help, or a worker cannot do the work.
        """
        from distributed.scheduler import KilledWorker, NoWorkerError

        error = future.exception()
        if isinstance(error, RuntimeError):  # a sentence, of `code_bundle.work_on`
            raise UserError(str(error)) from error
        if not isinstance(error, KilledWorker | NoWorkerError):
            raise error
        if losses > MOST_LOSSES:
            raise UserError(
                f"Workers of '{self._scheduler}' keep dying; look at their logs and memory, then "
                "run the same again. What is done is kept."
            ) from error
        future.retry()

    def _take(self, name: str) -> Any:
        """Read what became of a batch."""
        path = Path(self._folder, name)
        with path.open("rb") as file:
            content = file.read(MOST_RESULT_BYTES + 1)  # one more is no message
        path.unlink()
        return content[:MOST_RESULT_BYTES]

    def _ended(self, pending: Collection[Any]) -> set[Any]:
        """Wait a moment for futures to end, and watch the workers."""
        from distributed import wait

        self._look()
        try:
            return set(
                wait(list(pending), timeout=_LOOK_INTERVAL, return_when="FIRST_COMPLETED").done
            )
        except TimeoutError:
            return set()

    def _look(self) -> None:
        """Count the threads of the workers there are, now and then.

        Raises
        ------
        UserError
            If there has been none for too long, or a new one cannot be used.
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
                "again. What is done is kept."
            )
