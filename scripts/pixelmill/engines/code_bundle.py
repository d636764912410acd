"""Code bundle: how the library and the work reach the workers of a cluster.

Both lie in a parcel, one ZIP file in a folder that the workers share. This module alone
goes with each batch, by value: it must need nothing that a worker has not.
"""

import hashlib
import io
import os
import pickle
import shutil
import sys
import threading
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Name of the parcel in its folder, and of the work in the parcel.
PARCEL = "parcel.zip"
WORK = "work.pickle"

#: Where a worker keeps what it unpacked last, beside its modules.
_UNPACKED = "pixelmill_unpacked"


def pack(folder: str, work: object) -> str:
    """Write a parcel of this library and of `work`; return its digest."""
    library = Path(__file__).parents[1]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as parcel:
        for path in sorted(library.rglob("*.py")):
            parcel.write(path, path.relative_to(library.parent))
        parcel.writestr(WORK, pickle.dumps(work))
    content = packed.getvalue()
    Path(folder, PARCEL).write_bytes(content)
    return hashlib.blake2b(content).hexdigest()


def unpack(folder: str, digest: str, home: str) -> Any:
    """Open a parcel, once, and return the work.

    A library other than the last one takes its place; the same one stays, as another run
    may be using it. `home` is the worker's own folder, which Dask removes when it ends.

    Raises
    ------
    OSError
        If the parcel is not there.
    ValueError
        If it is not the one that was packed.
    """
    new: Any = types.SimpleNamespace(lock=threading.Lock(), digest="", place="", work=None)
    last: Any = sys.modules.setdefault(_UNPACKED, new)  # for all copies of this module
    with last.lock:
        if last.digest != digest:
            content = Path(folder, PARCEL).read_bytes()
            if hashlib.blake2b(content).hexdigest() != digest:
                raise ValueError("the parcel is not the one that was packed")
            with zipfile.ZipFile(io.BytesIO(content)) as parcel:
                place = os.path.join(home, f"pixelmill-{_digest_of_library(parcel)}")
                if place != last.place:
                    _forget(last.place)
                    parcel.extractall(place)
                    sys.path.insert(0, place)
                    last.place = place
                last.work = pickle.loads(parcel.read(WORK))
            last.digest = digest
        return last.work


def _digest_of_library(parcel: zipfile.ZipFile) -> str:
    files = [(file.filename, file.CRC) for file in parcel.infolist() if file.filename != WORK]
    return hashlib.blake2b(repr(files).encode(), digest_size=8).hexdigest()


def _forget(place: str) -> None:
    """Let go of a library that was imported before, and of the place it came from."""
    for name in list(sys.modules):
        if name.split(".")[0] == "pixelmill":
            del sys.modules[name]
    if place in sys.path:
        sys.path.remove(place)
        shutil.rmtree(place, ignore_errors=True)


def trouble(folder: str, digest: str, dask_worker: Any) -> str:
    """Say why a worker cannot do the work, in a sentence; empty where it can."""
    try:
        why = unpack(folder, digest, dask_worker.local_directory).trouble()
    except FileNotFoundError:
        why = f"does not see '{folder}': all workers must share the file system"
    except Exception as error:
        why = f"cannot do the work: {type(error).__name__}: {error}"
    return why and f"The worker '{dask_worker.address}' {why}."


def work_on(folder: str, digest: str, batch: bytes, name: str) -> None:
    """Do a batch with the parcel's work; what became of it is written to the folder.

    A result that stayed with the worker would go with it, or keep us waiting for it.

    Raises
    ------
    RuntimeError
        If this worker cannot; the sentence says why.
    """
    from distributed import get_worker

    worker = get_worker()
    if sentence := trouble(folder, digest, worker):
        raise RuntimeError(sentence)
    result = unpack(folder, digest, worker.local_directory)(pickle.loads(batch))
    Path(folder, name).write_bytes(result)


class Call:
    """A call that is made where it is unpickled, of a function that came along.

    The scheduler unpickles tasks too, and knows neither this module nor the work: what it
    gets is bytes.
    """

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self._made_of = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self._made_of


def message(folder: str, digest: str, batch: object, name: str) -> bytes:
    """Pack the call `work_on`; `pickle.loads` makes it."""
    import cloudpickle

    packed: bytes = cloudpickle.dumps(Call(work_on, folder, digest, pickle.dumps(batch), name))
    return packed
