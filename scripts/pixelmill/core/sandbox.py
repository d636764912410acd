"""Sandbox: processes that decode images can read what they need, write images, and do nothing else.

Images may come from anywhere, and decoders have bugs. On Linux, a worker gives up all other rights
before it opens the first image: Landlock restricts files, TCP and signals, seccomp refuses system
calls that are not needed. If the system has neither, the work continues without them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pixelmill.core import landlock, seccomp
from pixelmill.core.errors import UserError
from pixelmill.core.landlock import Access
from pixelmill.core.safe_path import LIBRARY

log = logging.getLogger(__name__)

_READ = Access.READ_FILE | Access.READ_DIR

#: What writing an image takes: a temporary file in a folder that may have to be created, its
#: content, its name, and its removal if that fails.
_WRITE = (
    _READ
    | Access.WRITE_FILE
    | Access.TRUNCATE
    | Access.MAKE_REG
    | Access.MAKE_DIR
    | Access.REMOVE_FILE
    | Access.REFER
)

#: What a config may grant: everything except running programs.
_EVERYTHING = Access((Access.IOCTL_DEV << 1) - 1) & ~Access.EXECUTE

#: What interpreters and shared libraries read, besides their own folders.
_SYSTEM = (
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/local/lib64",
    "/nix/store",
    "/gnu/store",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/usr/share/locale",
    "/etc/fonts",
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/var/cache/fontconfig",
    "/dev/null",
    "/dev/zero",
    "/dev/random",
    "/dev/urandom",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
    "/sys/fs/cgroup",
)

#: Logged after a pass in which a step was refused something.
REFUSED = (
    "A step was not permitted to do what it tried; if the sandbox refused it, allow it with the "
    "key 'sandbox' of the config (docs/sandbox.md)."
)

#: What programs and scripts also need, if they may be run.
_PROGRAMS = ("/bin", "/sbin", "/usr", "/opt", "/etc/alternatives")

#: What looking up names and checking certificates also needs, if the network may be used.
_NETWORK = (
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/run/systemd/resolve",
)

#: Where Linux keeps named semaphores, which `multiprocessing` creates and removes.
_SEMAPHORES = "/dev/shm"


@dataclass(frozen=True)
class Sandbox:
    """What a config says about confinement.

    Attributes
    ----------
    on : bool
        Whether workers are confined, if the system supports it.
    read, write : tuple of str
        Files and folders that own steps may also read, or write.
    network, execute : bool
        Whether own steps may use the network, and run programs.
    """

    on: bool = True
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    network: bool = False
    execute: bool = False

    @classmethod
    def from_config(cls, value: object) -> Sandbox:
        """Read the value of the key ``sandbox`` of a complete config."""
        if not isinstance(value, Mapping):
            return cls(on=value != "off")
        allowed: Mapping[str, Any] = value["allow"]
        return cls(
            read=tuple(allowed.get("read", ())),
            write=tuple(allowed.get("write", ())),
            network=allowed.get("network", False),
            execute=allowed.get("exec", False),
        )

    def check(self) -> None:
        """Refuse paths that do not exist.

        Raises
        ------
        UserError
            If a path does not exist.
        """
        for key, paths in (("read", self.read), ("write", self.write)):
            for path in paths:
                if not os.path.exists(_whole_path(path)):
                    raise UserError(
                        f"sandbox.allow.{key}: '{path}' does not exist; correct the path, or "
                        "create it."
                    )

    def confine(
        self,
        read: Iterable[str],
        write: Iterable[str],
        keep_mtime: bool = False,
        unconfined_engine: str = "",
    ) -> Confinement | None:
        """Return the confinement of a pass's workers; None if they are not confined.

        What the system cannot confine is logged.

        Parameters
        ----------
        read, write : iterable of str
            Files and folders that the pass needs.
        keep_mtime : bool
            Whether outputs get the times of their sources.
        unconfined_engine : str, optional
            The engine, if its workers run on a cluster, where they are not confined.
        """
        if not self.on:
            return None
        if limitation := shortcoming(unconfined_engine):
            log.info("%s", limitation)
        return Confinement(
            read=(*map(os.path.abspath, read), *map(_whole_path, self.read)),
            write=tuple(map(os.path.abspath, write)),
            granted=tuple(map(_whole_path, self.write)),
            network=self.network,
            execute=self.execute,
            times=keep_mtime or bool(self.write),
        )


def _whole_path(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


@dataclass(frozen=True)
class Confinement:
    """What a process is allowed to do once it is confined.

    Attributes
    ----------
    read : tuple of str
        Files and folders to read, besides those of the interpreter and its libraries.
    write : tuple of str
        Folders in which to write files.
    granted : tuple of str
        Files and folders in which everything except running programs is allowed.
    network, execute, times : bool
        Whether sockets may be used, programs run, and times of files set.
    """

    read: tuple[str, ...]
    write: tuple[str, ...] = ()
    granted: tuple[str, ...] = ()
    network: bool = False
    execute: bool = False
    times: bool = False

    def rules(self, has_workers: bool) -> Iterator[tuple[str, Access]]:
        """Yield what may be done with which file, or below which folder."""
        readable = [*_SYSTEM, *interpreter_paths(), *self.read]
        readable += _PROGRAMS if self.execute else ()
        readable += _NETWORK if self.network else ()
        for path in dict.fromkeys(readable):
            yield path, _READ
        yield "/dev/null", Access.READ_FILE | Access.WRITE_FILE
        if has_workers:
            yield _SEMAPHORES, Access.REMOVE_FILE
        for path in self.write:
            yield path, _WRITE
        for path in self.granted:
            yield path, _EVERYTHING


def confine_process(confinement: Confinement | None, has_workers: bool = False) -> None:
    """Confine this process for good, as far as the system supports it.

    This must be called before the threads start that are to be confined: Landlock applies to
    the calling thread and those that it starts, seccomp to all threads.

    Parameters
    ----------
    confinement : Confinement or None
        None leaves the process as it is.
    has_workers : bool
        Whether it must be able to kill processes that are not confined with it, and to remove
        the semaphores that it shares with them.
    """
    if confinement is None:
        return
    confine_thread(confinement, has_workers)
    if seccomp.available():
        with _told():
            seccomp.restrict_process(
                confinement.execute,
                confinement.network,
                confinement.times,
                # Programs that a step runs must be able to signal themselves.
                signals=has_workers or confinement.execute,
            )


def confine_thread(confinement: Confinement | None, has_workers: bool = False) -> None:
    """Confine the calling thread as `confine_process` does, except for system calls."""
    if confinement is not None and landlock.version():
        with _told():
            landlock.restrict_thread(
                confinement.rules(has_workers),
                confinement.execute,
                confinement.network,
                signals=has_workers,
            )


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Continue if the system refuses although it seemed to support it, as in some containers."""
    try:
        yield
    except OSError as error:
        log.warning("the workers are not confined: %s", error)


def shortcoming(unconfined_engine: str = "") -> str:
    """Say which workers are not, or not fully, confined, and why; empty if all are.

    Parameters
    ----------
    unconfined_engine : str, optional
        The engine, if its workers run on a cluster, where they are not confined.
    """
    if unconfined_engine:
        return f"the workers of the engine {unconfined_engine} are not confined"
    if sys.platform != "linux":
        return "the workers are not confined: only Linux can do that"
    files, calls = landlock.version() > 0, seccomp.available()
    if files and calls:
        return ""
    system = "this kernel, processor or container"
    if not files and not calls:
        return f"the workers are not confined: {system} does not allow it"
    lacking = "Landlock" if calls else "filter of system calls"
    return f"the workers are only partly confined: {system} has no {lacking}"


def remark(value: object, unconfined_engines: Iterable[str] = ()) -> str:
    """Say for a report what was not confined; empty if everything was.

    Parameters
    ----------
    value : object
        The key ``sandbox`` of a complete config.
    unconfined_engines : iterable of str, optional
        The engines that were used and whose workers ran on a cluster.
    """
    if not Sandbox.from_config(value).on:
        return "The workers were not confined: the config has 'sandbox: off'."
    limitation = shortcoming() or shortcoming(", ".join(sorted(unconfined_engines)))
    return f"{limitation[:1].upper()}{limitation[1:]}." if limitation else ""


def interpreter_paths() -> Iterator[str]:
    """Yield files and folders from which this interpreter may still import or load something."""
    yield from (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, LIBRARY)
    libraries = os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    # An empty entry means the current folder, from which nothing is imported.
    yield from filter(None, (*sys.path, sys.pycache_prefix, *libraries))
