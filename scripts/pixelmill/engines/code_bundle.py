"""Code bundle: how the workers of a cluster get this library and their work.

Both are in one ZIP file in a folder that the workers share. This module is sent along with each
batch, by value, so it may only import what every worker has.

Dask's own means do not suffice. `Client.upload_file` reloads only the top-level package, so that
a worker that outlives a run keeps the submodules of that run. `UploadDirectory` needs nannies,
and imports nothing anew unless it restarts the workers with all that they are running.
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

#: Name of the bundle in its folder, and of the work in the bundle.
BUNDLE = "bundle.zip"
WORK = "work.pickle"

#: Name under which a worker keeps what it unpacked last, in `sys.modules`.
_UNPACKED = "pixelmill_unpacked"


def pack(folder: str, work: object) -> str:
    """Write a bundle of this library and of `work`; return its digest."""
    library = Path(__file__).parents[1]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as bundle:
        for path in sorted([*library.rglob("*.py"), *library.rglob("*.ttf")]):
            bundle.write(path, path.relative_to(library.parent))
        bundle.writestr(WORK, pickle.dumps(work))
    content = packed.getvalue()
    Path(folder, BUNDLE).write_bytes(content)
    return hashlib.blake2b(content).hexdigest()


def unpack(folder: str, digest: str, home: str) -> Any:
    """Open a bundle if it is not the last one that was opened, and return its work.

    A different library replaces the last one. The same library stays in place, because another
    run may be using it.

    Parameters
    ----------
    folder : str
        The folder of the bundle.
    digest : str
        The digest that `pack` returned.
    home : str
        The worker's own folder, which Dask removes when the worker ends.

    Raises
    ------
    OSError
        If the bundle cannot be read.
    ValueError
        If it has another digest.
    """
    new: Any = types.SimpleNamespace(lock=threading.Lock(), digest="", place="", work=None)
    last: Any = sys.modules.setdefault(_UNPACKED, new)  # one for all copies of this module
    with last.lock:
        if last.digest != digest:
            content = Path(folder, BUNDLE).read_bytes()
            if hashlib.blake2b(content).hexdigest() != digest:
                raise ValueError("the code bundle is not the one that was packed")
            with zipfile.ZipFile(io.BytesIO(content)) as bundle:
                place = os.path.join(home, f"pixelmill-{_digest_of_library(bundle)}")
                if place != last.place:
                    _forget(last.place)
                    bundle.extractall(place)
                    sys.path.insert(0, place)
                    last.place = place
                last.work = pickle.loads(bundle.read(WORK))
            last.digest = digest
        return last.work


def _digest_of_library(bundle: zipfile.ZipFile) -> str:
    files = [(file.filename, file.CRC) for file in bundle.infolist() if file.filename != WORK]
    return hashlib.blake2b(repr(files).encode(), digest_size=8).hexdigest()


def _forget(place: str) -> None:
    """Remove a library that was imported before, and the folder that it was imported from."""
    for name in list(sys.modules):
        if name.split(".")[0] == "pixelmill":
            del sys.modules[name]
    if place in sys.path:
        sys.path.remove(place)
        shutil.rmtree(place, ignore_errors=True)


def why_unable(folder: str, digest: str, dask_worker: Any) -> str:
    """Return a sentence that says why a worker cannot do the work; empty if it can."""
    try:
        why = unpack(folder, digest, dask_worker.local_directory).trouble()
    except FileNotFoundError:
        why = f"does not see '{folder}': all workers must share the file system"
    except Exception as error:
        why = f"cannot do the work: {type(error).__name__}: {error}"
    return why and f"The worker '{dask_worker.address}' {why}."


def run_batch(folder: str, digest: str, batch: bytes, name: str) -> None:
    """Do a batch with the bundle's work, and write its result to the folder.

    If the worker kept the result, the result would be lost with the worker.

    Raises
    ------
    RuntimeError
        If this worker cannot do the work; the message says why.
    """
    from distributed import get_worker

    worker = get_worker()
    if sentence := why_unable(folder, digest, worker):
        raise RuntimeError(sentence)
    result = unpack(folder, digest, worker.local_directory)(pickle.loads(batch))
    Path(folder, name).write_bytes(result)


class Call:
    """A function call that is pickled with its function, and made when it is unpickled.

    The scheduler unpickles tasks too, and knows neither this module nor the work. It therefore
    gets the call as bytes.
    """

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self._reduced = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self._reduced


def message(folder: str, digest: str, batch: object, name: str) -> bytes:
    """Return the call of `run_batch` as bytes; `pickle.loads` makes it."""
    import cloudpickle

    call = Call(run_batch, folder, digest, pickle.dumps(batch), name)
    packed: bytes = cloudpickle.dumps(call)
    return packed
