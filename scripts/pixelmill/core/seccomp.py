"""Seccomp: a process gives up system calls that rendering an image does not need (Linux).

Only on x86-64, because other processors number the calls differently. A refused call fails with
``EPERM``; no process is killed. See https://docs.kernel.org/userspace-api/seccomp_filter.html.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Mapping, Sequence

from pixelmill.core.landlock import forbid_new_privileges, libc

#: Numbers by name (``asm/unistd_64.h``) of calls that run programs.
EXECUTE = {"execve": 59, "execveat": 322}

#: Calls that talk to other machines and to services of this one; pairs of sockets do not.
NETWORK = {"socket": 41, "connect": 42, "accept": 43, "bind": 49, "listen": 50, "accept4": 288}

#: Calls that set times of files. Landlock covers no call that changes a file without opening it.
TIMES = {"utime": 132, "utimes": 235, "futimesat": 261, "utimensat": 280}

#: Calls that are never needed.
NEVER = {
    # files: rights, owners, extended attributes, lengths
    "truncate": 76, "chmod": 90, "fchmod": 91, "chown": 92, "fchown": 93, "lchown": 94,
    "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "removexattr": 197, "lremovexattr": 198,
    "fremovexattr": 199, "fchownat": 260, "fchmodat": 268, "fchmodat2": 452, "setxattrat": 463,
    "removexattrat": 466, "file_setattr": 469,
    # other processes, and what outlives all of them
    "shmget": 29, "semget": 64, "msgget": 68, "setpriority": 141, "sched_setparam": 142,
    "sched_setscheduler": 144, "sched_setaffinity": 203, "mq_open": 240, "ioprio_set": 251,
    "migrate_pages": 256, "move_pages": 279, "sched_setattr": 314, "pidfd_open": 434,
    "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312,
    "pidfd_getfd": 438, "process_madvise": 440,
    # the system, and calls through which kernels were often attacked
    "syslog": 103, "adjtimex": 159, "iopl": 172, "ioperm": 173, "quotactl": 179,
    "fanotify_init": 300, "clock_adjtime": 305,
    "pivot_root": 155, "chroot": 161, "acct": 163, "settimeofday": 164, "mount": 165,
    "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169, "sethostname": 170,
    "setdomainname": 171, "init_module": 175, "delete_module": 176, "clock_settime": 227,
    "kexec_load": 246, "add_key": 248, "request_key": 249, "keyctl": 250, "unshare": 272,
    "perf_event_open": 298, "open_by_handle_at": 304, "setns": 308, "finit_module": 313,
    "kexec_file_load": 320, "bpf": 321, "userfaultfd": 323, "io_uring_setup": 425,
    "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428, "move_mount": 429,
    "fsopen": 430, "fsconfig": 431, "fsmount": 432, "mount_setattr": 442,
    # memory that no limit of the process covers
    "memfd_create": 319, "memfd_secret": 447,
    # its arguments are in memory, where no filter sees them
    "openat2": 437,
}  # fmt: skip

#: Calls that signal other processes and cannot be restricted to one.
SIGNALS = {
    "rt_sigqueueinfo": 129, "tkill": 200, "rt_tgsigqueueinfo": 297, "pidfd_send_signal": 424
}  # fmt: skip

#: Calls that make files, by number: the argument with the rights of the new file.
_MODES = {2: 2, 85: 1, 133: 1, 257: 3, 259: 2}  # open, creat, mknod, openat, mknodat

#: Rights by which a program runs as the owner or the group of its file (``linux/stat.h``).
_SET_ID = 0o6000

#: Numbers of calls of which some arguments are refused or needed.
_IOCTL, _KILL, _TGKILL, _PRLIMIT = 16, 62, 234, 302

#: Requests to type into the terminal (``asm-generic/ioctls.h``), and to set attributes of a file
#: that is open for reading (``linux/fs.h``).
_TIOCSTI, _TIOCLINUX, _FS_IOC_SETFLAGS, _FS_IOC_FSSETXATTR = (
    0x5412, 0x541C, 0x40086602, 0x401C5820
)  # fmt: skip

#: ``seccomp`` itself and its parameters (``linux/seccomp.h``).
_SECCOMP, _SET_MODE_FILTER, _GET_ACTION_AVAIL, _FLAG_TSYNC = 317, 1, 2, 1
_RET_ALLOW, _RET_ERRNO = 0x7FFF0000, 0x00050000

#: Names of processors (``linux/audit.h``); numbers from the bit on are calls of x32.
_ARCH_X86_64, _ARCH_I386, _X32_BIT = 0xC000003E, 0x40000003, 0x40000000

#: Offsets in ``struct seccomp_data`` of the number, the processor, and the first argument.
_NUMBER, _ARCH, _ARGUMENTS, _ARGUMENT_BYTES = 0, 4, 16, 8

#: Classic BPF (``linux/filter.h``): load a word; jump if equal, not less, or a bit is set; return.
_LOAD, _IF_EQUAL, _IF_NOT_LESS, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06

_REFUSE = (_RETURN, 0, 0, _RET_ERRNO | errno.EPERM)
_ALLOW = (_RETURN, 0, 0, _RET_ALLOW)

_Code = list[tuple[int, int, int, int]]


def available() -> bool:
    """Return whether this kernel, processor and interpreter support such a filter."""
    if sys.platform != "linux" or os.uname().machine != "x86_64" or sys.maxsize < 2**32:
        return False
    action = ctypes.byref(ctypes.c_uint32(_RET_ERRNO))
    zero = ctypes.c_uint32(0)
    return bool(libc().syscall(_SECCOMP, ctypes.c_uint32(_GET_ACTION_AVAIL), zero, action) == 0)


def restrict_process(execute: bool, network: bool, times: bool, signals: bool) -> None:
    """Restrict all threads of this process, and the processes that they start.

    Parameters
    ----------
    execute, network, times, signals : bool
        Whether programs may be run, sockets created, times of files set, and other processes
        signalled.

    Raises
    ------
    OSError
        If the kernel refuses.
    """
    refused = dict(NEVER)
    for allowed, calls in ((execute, EXECUTE), (network, NETWORK), (times, TIMES)):
        if not allowed:
            refused |= calls
    only = {_PRLIMIT: (0, [0])}
    if not signals:
        refused |= SIGNALS
        only |= dict.fromkeys((_KILL, _TGKILL), (0, [os.getpid()]))
    requests = [_TIOCSTI, _TIOCLINUX, _FS_IOC_SETFLAGS, _FS_IOC_FSSETXATTR]
    bits = {number: (argument, _SET_ID) for number, argument in _MODES.items()}
    _install(program(sorted(refused.values()), {_IOCTL: (1, requests)}, only, bits))


def program(
    refused: Sequence[int],
    never: Mapping[int, tuple[int, Sequence[int]]],
    only: Mapping[int, tuple[int, Sequence[int]]],
    bits: Mapping[int, tuple[int, int]] | None = None,
) -> _Code:
    """Return a filter as BPF instructions: operation, jumps if true and if false, operand.

    Parameters
    ----------
    refused : sequence of int
        Numbers of calls that are refused.
    never, only : mapping
        By number: an argument, and the values that it must never have, or must have one of. The
        lower 32 bits are compared, because the kernel uses no others.
    bits : mapping, optional
        By number: an argument, and the bits of which it must have none.
    """
    code: _Code = [
        (_LOAD, 0, 0, _ARCH),
        (_IF_EQUAL, 3, 0, _ARCH_X86_64),
        (_IF_EQUAL, 1, 0, _ARCH_I386),  # by which a 64-bit process would circumvent the rest
        _ALLOW,  # an emulator, whose numbers are unknown
        _REFUSE,
        (_LOAD, 0, 0, _NUMBER),
        (_IF_NOT_LESS, 0, 1, _X32_BIT),
        _REFUSE,
    ]
    for number in refused:
        code += [(_IF_EQUAL, 0, 1, number), _REFUSE]
    for number, (argument, values) in never.items():
        code += _comparison(number, argument, values, _REFUSE, _ALLOW)
    for number, (argument, values) in only.items():
        code += _comparison(number, argument, values, _ALLOW, _REFUSE)
    for number, (argument, mask) in (bits or {}).items():
        load = (_LOAD, 0, 0, _ARGUMENTS + argument * _ARGUMENT_BYTES)
        code += [(_IF_EQUAL, 0, 4, number), load, (_IF_ANY_BIT, 0, 1, mask), _REFUSE, _ALLOW]
    return [*code, _ALLOW]


def _comparison(
    number: int,
    argument: int,
    values: Sequence[int],
    found: tuple[int, int, int, int],
    other: tuple[int, int, int, int],
) -> _Code:
    compared: _Code = [(_LOAD, 0, 0, _ARGUMENTS + argument * _ARGUMENT_BYTES)]
    for value in values:
        compared += [(_IF_EQUAL, 0, 1, value), found]
    compared.append(other)
    return [(_IF_EQUAL, 0, len(compared), number), *compared]


def _install(code: _Code) -> None:
    filter_ = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *part) for part in code))
    filters = struct.pack("@HP", len(code), ctypes.addressof(filter_))  # struct sock_fprog
    forbid_new_privileges()
    mode, flags = ctypes.c_uint32(_SET_MODE_FILTER), ctypes.c_uint32(_FLAG_TSYNC)
    result = libc().syscall(_SECCOMP, mode, flags, filters)
    if result > 0:
        raise OSError(errno.EBUSY, f"thread {result} has a filter of its own")
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
