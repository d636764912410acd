"""Workflow set-up: what the workflow does before it looks for jobs. It is cheap to import."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import secrets
import stat
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from pixelmill.core.errors import TreeError, UserError
from pixelmill.core.files import atomic
from pixelmill.core.locks import exclusive
from pixelmill.core.progress import QUIET, VARIABLE
from pixelmill.core.root import Root
from pixelmill.core.tables import read_json, write_json
from pixelmill.dataset import catalog, globs, outputs_state, synthetic
from pixelmill.dataset.file_names import SHARDS
from pixelmill.dataset.layout import Layout, mirror_of, place_of, source_of
from pixelmill.dataset.shards import WHOLE, Shard
from pixelmill.report.conclusion import State


def prefer_this_python() -> None:
    """Make jobs use the Python that runs Snakemake, even if its environment is not activated."""
    folder = os.path.dirname(sys.executable)
    others = filter(None, [os.environ.get("PATH")])  # an empty entry would be the current folder
    os.environ["PATH"] = os.pathsep.join([folder, *others])


#: Tells jobs which process runs them: where it ends, however it does, so do they.
RUNNER = "PIXELMILL_RUNNER"

#: The lock that `hold` took; the system lets go of it when this process dies.
_held = contextlib.ExitStack()


def announce_runner(quiet: bool) -> None:
    """Tell jobs which process runs them, and whether to be silent."""
    os.environ[RUNNER] = str(os.getpid())
    if quiet:
        os.environ[VARIABLE] = QUIET


def hold() -> None:
    """Lock the folder in which Snakemake runs for this process.

    The lock of Snakemake is not bound to a process and survives a run that was killed. The profile
    turns it off, and this one replaces it.

    Raises
    ------
    UserError
        If another run has locked the folder.
    """
    try:
        _held.enter_context(exclusive(os.path.join(".snakemake", "pixelmill")))
    except UserError as error:
        raise UserError(
            "Another Snakemake is running in this folder; wait for it to end, or stop it."
        ) from error


def record_failure(results: str, began: float) -> None:
    """Write the verdict on a run that did not come to its own.

    Parameters
    ----------
    results : str
        Folder of the results.
    began : float
        When the run began, in seconds since the epoch. A verdict that is newer is its own.
    """
    path = os.path.join(results, "verdict.json")
    if os.path.exists(path) and os.stat(path).st_mtime >= began:
        return
    sentence = "Failed: the run did not finish; its messages are in .snakemake/log."
    os.makedirs(results, exist_ok=True)
    write_json(path, {"state": State.FAILURE, "sentence": sentence})
    with atomic(os.path.join(results, "verdict.txt")) as file:
        file.write(f"{sentence}\n")


def cancel_timers() -> None:
    """Cancel timers of Snakemake's limit on jobs a second, for which it would wait at its end.

    All jobs have ended, so that these have no other effect than a delay of a second.
    """
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()


def check_images(config: Mapping[str, Any]) -> None:
    """Check that every folder or archive to be processed holds an image, before any job starts.

    Raises
    ------
    UserError
        If one holds none, or cannot be read.
    """
    for name in config["run"]["datasets"]:
        dataset = config["datasets"][name]
        for key in ("folder", "archive"):
            if key in dataset and not place_of(dataset):
                try:
                    catalog.require_image(dataset[key], globs.Selection(**selection(dataset)))
                except UserError as error:
                    raise UserError(f"datasets.{name}.{key}: {error}") from error


def check_trees(config: Mapping[str, Any]) -> None:
    """Check that no file is where a folder of the results belongs; Snakemake would end there.

    Raises
    ------
    UserError
        With the file.
    """
    for tree in Layout(config).trees():
        for place in (tree.path, *(path.as_posix() for path in Path(tree.path).parents)):
            if os.path.isfile(place):
                raise UserError(
                    f"'{place}' is a file where a folder of the results belongs; move it away."
                )


def check_links(config: Mapping[str, Any]) -> None:
    """Refuse links through which jobs, or Snakemake itself, would write, rename or remove.

    The working folder and the folders named in the config may be links. Nothing below them may be a
    link.

    Raises
    ------
    TreeError
        If a folder, or the log or benchmark of a job, is a link.
    """
    here = Root(".")
    for folder in ("resources", "mirrors", *_OF_JOBS):
        here.check(folder)
    for dataset in config["run"]["datasets"]:
        here.check(f"resources/{dataset}")
        here.check(mirror_of(dataset))
    results = Root(config["results"])
    if os.path.isdir(results.folder):
        for path in _folders_of_results(config):
            results.check(path)
    for top in _OF_JOBS:
        for folder, names in here.walk(top):
            for path in (f"{folder}/{name}" for name in names):
                _check_job_file(here, path)


#: Folders of files that Snakemake, or a job as it begins, opens to write.
_OF_JOBS = ("logs", "benchmarks")


def _folders_of_results(config: Mapping[str, Any]) -> Iterator[str]:
    yield "report/figures"
    results = config["results"]
    trees = [os.path.relpath(tree.path, results) for tree in Layout(config).trees()]
    for parent in (*config["run"]["datasets"], *(Path(tree).as_posix() for tree in trees)):
        yield f"{parent}/{SHARDS}"
        for shard in Path(results, parent, SHARDS).glob("*-of-*"):
            yield f"{parent}/{SHARDS}/{shard.name}"
    for dataset, recipe in product(config["run"]["datasets"], config["run"]["recipes"]):
        yield f"{dataset}/{recipe}/packed"


def _check_job_file(here: Root, path: str) -> None:
    state = here.lstat(path)
    if state is not None and stat.S_ISLNK(state.st_mode):
        raise TreeError(f"'{path}' is a link, and nothing is written through it; remove it.")
    if state is not None and state.st_nlink > 1:
        here.unlink(path)  # its other name keeps what was written


def folders_of(configfiles: Sequence[str | os.PathLike[str]]) -> str:
    """Return the folders of config files as a search path, those of the command line first."""
    *given, default = configfiles or ["config.yaml"]
    folders = [os.path.dirname(os.path.abspath(path)) for path in (*reversed(given), default)]
    return os.pathsep.join(dict.fromkeys(os.path.relpath(folder) for folder in folders))


#: Hands the tokens of a run down to jobs, whose nodes see the files in another state.
_TOKENS = "PIXELMILL_TOKENS"


def _of_this_run(key: str, make: Callable[[str], str]) -> str:
    """Return the same token for a path in all processes of a run, on every node."""
    tokens = json.loads(os.environ.get(_TOKENS, "{}"))
    if key not in tokens:
        tokens[key] = make(key)
        os.environ[_TOKENS] = json.dumps(tokens)
    return str(tokens[key])


def token(dataset: str) -> str:
    """Return the token of the images of a generated dataset, the same during a run."""
    return _of_this_run(f"resources/{dataset}", synthetic.token)


def place_options(name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the URLs of a dataset are fetched; empty for other places."""
    urls = config["datasets"][name].get("urls")
    if urls is None:
        return {}
    options = {key: value for key, value in urls.items() if key != "file"}
    return {**options, "max_bytes": config["limits"]["max_bytes"]}


def mirror_token(name: str, config: Mapping[str, Any]) -> str:
    """Return the token of a mirror; a new one if its place has other files, or some are missing.

    Raises
    ------
    UserError
        If the place cannot be listed.
    """
    from pixelmill.transfer import mirror, places

    dataset = config["datasets"][name]

    def make(folder: str) -> str:
        try:
            options = place_options(name, config)
            place = places.place_at(
                place_of(dataset) or "", places.ListOptions(**options) if options else None
            )
            return mirror.token(place, folder, globs.Selection(**selection(dataset)))
        except UserError as error:
            key = next(key for key in ("folder", "archive", "bucket", "urls") if key in dataset)
            raise UserError(f"datasets.{name}.{key}: {error}") from error

    return _of_this_run(mirror_of(name), make)


def outputs_token(tree: str) -> str:
    """Return the token of the outputs of a tree; a new one if some were lost or altered."""
    return _of_this_run(f"{tree}/images", lambda _: outputs_state.token(tree))


def checks_token(path: str) -> str:
    """Return the token of checks that passed; a new one if they failed or are missing.

    A failed check is therefore repeated in every run until it passes.
    """
    return _of_this_run(path, _token_of_checks)


def _token_of_checks(path: str) -> str:
    try:
        checks = read_json(path)
    except (OSError, ValueError):
        checks = {}
    return str(checks["token"]) if checks.get("passed") and "token" in checks else _fresh()


def digest(paths: Sequence[str]) -> str:
    """Return a digest of those of the given files that exist."""
    found = hashlib.blake2b(digest_size=16)
    for path in paths:
        if os.path.exists(path):
            with open(path, "rb") as file:
                found.update(hashlib.file_digest(file, "blake2b").digest())
    return found.hexdigest()


def _fresh() -> str:
    return secrets.token_hex(8)


def fingerprint(dataset: Mapping[str, Any], shard: Shard = WHOLE) -> str:
    """Return a digest of a shard of a user's folder or archives.

    It is empty for generated images and mirrors: they have records.
    """
    if "generate" in dataset or place_of(dataset):
        return ""
    selected = {key: tuple(given) for key, given in selection(dataset).items()}
    return _fingerprints(source_of("", dataset), shard.of, **selected)[shard.number - 1]


@functools.cache
def _fingerprints(
    folder: str, shards: int, include: tuple[str, ...], exclude: tuple[str, ...]
) -> list[str]:
    """Return the digests of all shards, from one walk."""
    return catalog.fingerprints(*globs.chosen(folder, globs.Selection(include, exclude)), shards)


def selection(dataset: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the globs that select the files of a dataset in its folder or archives."""
    return {key: list(dataset.get(key, [])) for key in ("include", "exclude")}
