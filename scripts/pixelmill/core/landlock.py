"""Landlock: a thread gives up access to files, the network and other processes (Linux 5.13+).

This needs no privilege and cannot be undone. The restrictions apply to the calling thread and to
the threads and processes that it starts afterwards. Names and numbers are those of
``linux/landlock.h``; see https://docs.kernel.org/userspace-api/landlock.html.
"""

from __future__ import annotations

import contextlib
import ctypes
import enum
import functools
import os
import stat
import struct
import sys
from collections.abc import Iterable


class Access(enum.IntFlag):
    """What may be done with files and folders (``LANDLOCK_ACCESS_FS_*``)."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13
    TRUNCATE = 1 << 14
    IOCTL_DEV = 1 << 15


#: The last kind of access that each version of the interface knows, by the first such version.
_LAST_ACCESS = {1: Access.MAKE_SYM, 2: Access.REFER, 3: Access.TRUNCATE, 5: Access.IOCTL_DEV}

#: Access that applies to files; the kernel refuses rules for files with any other.
_OF_FILES = (
    Access.EXECUTE | Access.WRITE_FILE | Access.READ_FILE | Access.TRUNCATE | Access.IOCTL_DEV
)

#: To bind and connect TCP sockets (``LANDLOCK_ACCESS_NET_*``), and the first version with these.
_NET_TCP, _NET_VERSION = 1 << 0 | 1 << 1, 4

#: To connect to abstract Unix sockets and to signal processes outside (``LANDLOCK_SCOPE_*``).
_SCOPE_ABSTRACT_UNIX_SOCKET, _SCOPE_SIGNAL, _SCOPE_VERSION = 1 << 0, 1 << 1, 6

#: Numbers of the system calls, the same on all processors except those of `_OTHER_NUMBERS`.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_OTHER_NUMBERS = ("alpha", "mips")

_CREATE_RULESET_VERSION = 1 << 0
_RULE_PATH_BENEATH = 1

#: ``prctl`` option (``linux/prctl.h``): programs with the set-user-ID bit gain no rights.
PR_SET_NO_NEW_PRIVS = 38


def version() -> int:
    """Return the version of the kernel's interface; 0 if there is none."""
    if sys.platform != "linux" or os.uname().machine.startswith(_OTHER_NUMBERS):
        return 0
    nothing, flag = ctypes.c_void_p(None), ctypes.c_uint32(_CREATE_RULESET_VERSION)
    found: int = libc().syscall(_CREATE_RULESET, nothing, ctypes.c_size_t(0), flag)
    return max(0, found)


def restrict_thread(
    rules: Iterable[tuple[str, Access]], execute: bool, network: bool, signals: bool
) -> None:
    """Restrict the calling thread to what is allowed.

    Parameters
    ----------
    rules : iterable of (str, Access)
        What may be done with a file, or with everything below a folder; links are followed, and
        paths that do not exist are skipped.
    execute : bool
        Whether programs may be run, wherever they are.
    network : bool
        Whether TCP and abstract Unix sockets may be used.
    signals : bool
        Whether processes outside may be signalled.

    Raises
    ------
    OSError
        If the kernel refuses.
    """
    known = version()
    last = max(access for first, access in _LAST_ACCESS.items() if first <= known)
    handled = Access((last << 1) - 1)
    if execute:
        handled &= ~Access.EXECUTE
    net = 0 if network or known < _NET_VERSION else _NET_TCP
    scope = 0
    if known >= _SCOPE_VERSION:
        scope |= 0 if network else _SCOPE_ABSTRACT_UNIX_SOCKET
        scope |= 0 if signals else _SCOPE_SIGNAL
    # struct landlock_ruleset_attr; a field that the kernel does not know must be left out or 0.
    attributes = struct.pack("=QQQ", handled, net, scope)
    if known < _NET_VERSION:
        attributes = attributes[:8]
    elif known < _SCOPE_VERSION:
        attributes = attributes[:16]
    ruleset = _call(
        _CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0)
    )
    try:
        for path, access in rules:
            with contextlib.suppress(OSError):  # a missing path cannot be reached
                _add_rule(ruleset, path, access & handled)
        forbid_new_privileges()
        _call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)


def _add_rule(ruleset: int, path: str, access: Access) -> None:
    opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(opened).st_mode):
            access &= _OF_FILES
        rule = struct.pack("=Qi", access, opened)  # struct landlock_path_beneath_attr, packed
        _call(
            _ADD_RULE,
            ctypes.c_int(ruleset),
            ctypes.c_int(_RULE_PATH_BENEATH),
            rule,
            ctypes.c_uint32(0),
        )
    finally:
        os.close(opened)


def forbid_new_privileges() -> None:
    """Set the flag that Landlock and seccomp require of an unprivileged thread."""
    one, zero = ctypes.c_ulong(1), ctypes.c_ulong(0)
    if libc().prctl(PR_SET_NO_NEW_PRIVS, one, zero, zero, zero):
        raise _error()


def _call(number: int, *arguments: object) -> int:
    result: int = libc().syscall(number, *arguments)
    if result < 0:
        raise _error()
    return result


@functools.cache
def libc() -> ctypes.CDLL:
    """Return the C library, with access to its ``errno``."""
    return ctypes.CDLL(None, use_errno=True)


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
