"""A code bundle brings the library and the work to processes that have neither."""

import hashlib
import subprocess
import sys
import types
import zipfile

import cloudpickle
import pytest

from pixelmill.engines import code_bundle
from pixelmill.imaging.codecs.limits import Limits
from tests.conftest import clean_environment

#: Makes the calls in a file one after another, and prints what they return.
CALLER = """
import pickle, sys
with open(sys.argv[1], "rb") as file:
    for _ in range(int(sys.argv[2])):
        print(pickle.loads(pickle.load(file)))
"""


def worker(home):
    """The parts of a Dask worker that are used."""
    return types.SimpleNamespace(local_directory=str(home), address="tls://127.0.0.1:1")


@pytest.fixture
def elsewhere(tmp_path):
    """Function that makes calls in a fresh process in which pixelmill cannot be imported."""
    cloudpickle.register_pickle_by_value(code_bundle)

    def make(*calls):
        packed = tmp_path / "calls"
        packed.write_bytes(b"".join(cloudpickle.dumps(cloudpickle.dumps(call)) for call in calls))
        done = subprocess.run(
            [sys.executable, "-c", CALLER, packed, str(len(calls))],
            cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    yield make
    cloudpickle.unregister_pickle_by_value(code_bundle)


def test_a_process_without_pixelmill_gets_the_library_and_the_work(tmp_path, elsewhere):
    digest = code_bundle.pack(str(tmp_path), Limits(max_frames=7))
    (told,) = elsewhere(
        code_bundle.Call(code_bundle.unpack, str(tmp_path), digest, str(tmp_path / "w"))
    )
    assert "max_frames=7" in told


def test_a_bundle_holds_all_files_that_rendering_needs(tmp_path, repository):
    code_bundle.pack(str(tmp_path), [])
    with zipfile.ZipFile(tmp_path / code_bundle.BUNDLE) as bundle:
        held = set(bundle.namelist())
    imaging = (repository / "scripts/pixelmill/imaging").rglob("*.*")
    needed = {path.relative_to(repository / "scripts").as_posix() for path in imaging}
    assert {path for path in needed if not path.endswith(".pyc")} <= held
    assert any(path.endswith(".ttf") for path in held)


def test_each_bundle_brings_its_own_work(tmp_path, elsewhere):
    calls = []
    for frames in (7, 8, 7):
        (folder := tmp_path / f"bundle{len(calls)}").mkdir()
        digest = code_bundle.pack(str(folder), Limits(max_frames=frames))
        calls.append(code_bundle.Call(code_bundle.unpack, str(folder), digest, str(tmp_path / "w")))
    told = elsewhere(*calls)
    assert ["max_frames=7" in line for line in told] == [True, False, True]
    assert len(list((tmp_path / "w").iterdir())) == 1


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_another_library_replaces_the_one_before(tmp_path, elsewhere):
    home, calls = tmp_path / "w", []
    for version in ("1.0", "2.0"):
        (folder := tmp_path / version).mkdir()
        code_bundle.pack(str(folder), [])
        with zipfile.ZipFile(folder / code_bundle.BUNDLE, "a") as bundle:
            bundle.writestr("pixelmill/core/environment.py", f"VERSION = {version}")
        digest = hashlib.blake2b((folder / code_bundle.BUNDLE).read_bytes()).hexdigest()
        calls.append(code_bundle.Call(code_bundle.unpack, str(folder), digest, str(home)))
        calls.append(
            code_bundle.Call(
                eval, "__import__('pixelmill.core.environment').core.environment.VERSION"
            )
        )
    assert elsewhere(*calls) == ["[]", "1.0", "[]", "2.0"]
    assert len(list(home.iterdir())) == 1


def test_a_bundle_that_was_altered_is_not_opened(tmp_path, elsewhere):
    digest = code_bundle.pack(str(tmp_path), Limits())
    with open(tmp_path / code_bundle.BUNDLE, "ab") as file:
        file.write(b"more")
    (told,) = elsewhere(
        code_bundle.Call(code_bundle.why_unable, str(tmp_path), digest, worker(tmp_path))
    )
    assert told.startswith(
        "The worker 'tls://127.0.0.1:1' cannot do the work: ValueError: the code bundle"
    )


def test_a_worker_that_does_not_share_the_folder_says_so(tmp_path, elsewhere):
    missing = str(tmp_path / "missing")
    (told,) = elsewhere(code_bundle.Call(code_bundle.why_unable, missing, "0", worker(tmp_path)))
    assert f"does not see '{missing}': all workers must share the file system." in told
