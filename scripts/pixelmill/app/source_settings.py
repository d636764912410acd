"""Source settings: check where a config says that the images of a dataset are."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from pixelmill.core.errors import UserError, shown
from pixelmill.core.files import is_inside
from pixelmill.core.suggestions import followed
from pixelmill.core.user_paths import expanded, lookalike
from pixelmill.dataset.layout import is_remote
from pixelmill.storage.archives import (
    COMPRESSED,
    FORMATS,
    files_of,
    is_archive,
    is_compressed,
)
from pixelmill.transfer.buckets import is_bucket

#: Keys of a dataset that say where its images come from.
_SOURCES = ("folder", "archive", "bucket", "urls", "generate")


@contextlib.contextmanager
def _at_key(key: str) -> Iterator[None]:
    """Name the key of the config in an error."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{key}: {error}") from error


def expanded_at_key(path: str, key: str) -> str:
    """Expand ``~`` and variables in a path; an error names the key of the config."""
    with _at_key(key):
        return expanded(path)


def check_bucket(key: str, url: str) -> None:
    """Check the URL of a bucket, and that the library is installed that it needs."""
    from pixelmill.transfer import buckets

    with _at_key(key):
        buckets.check_url(url)
        buckets.library(url)


def _check_server(key: str, url: str) -> None:
    from pixelmill.transfer import sftp, ssh_connection

    with _at_key(key):
        sftp.check_url(url)
        ssh_connection.library(url)


def checked(name: str, dataset: Mapping[str, Any], results: str) -> Mapping[str, Any]:
    """Check a dataset, and return it with the path of its images expanded.

    Parameters
    ----------
    name : str
    dataset : mapping
        Of a config, with defaults filled in.
    results : str
        Folder of the results, which must be apart.

    Raises
    ------
    UserError
        With the key, what was found and what to do.
    """
    key = f"datasets.{name}"
    if sum(source in dataset for source in _SOURCES) != 1:
        raise UserError(f"{key}: give one of 'folder', 'archive', 'bucket', 'urls' and 'generate'.")
    if "generate" in dataset:
        for side in ("width", "height"):
            low, high = dataset["generate"][side]
            if low > high:
                raise UserError(
                    f"{key}.generate.{side}: found [{low}, {high}]; give the smaller number first."
                )
        for glob in ("include", "exclude"):
            if glob in dataset:
                raise UserError(f"{key}.{glob}: is not for generated images; leave it out.")
        return dataset
    if "archive" in dataset:
        return {**dataset, "archive": _checked_archive(key, dataset["archive"], results)}
    if "bucket" in dataset:
        if not is_bucket(dataset["bucket"]):
            raise UserError(
                f"{key}.bucket: '{dataset['bucket']}' is not the URL of a bucket; write, for "
                "example, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix, and "
                "'folder' for sftp://host/path."
            )
        check_bucket(f"{key}.bucket", dataset["bucket"])
        return dataset
    if "urls" in dataset:
        # It imports much that no other source needs.
        from pixelmill.transfer.url_list import is_url_list

        given = dataset["urls"]
        urls = given if isinstance(given, Mapping) else {"file": given}
        file = expanded_at_key(urls["file"], f"{key}.urls")
        if not is_url_list(file):
            raise UserError(
                f"{key}.urls: '{file}' is not a list of URLs; its name ends with .txt, .csv, "
                ".tsv or .parquet."
            )
        if not os.path.isfile(file):
            advice = followed(lookalike(file), "correct its path.")
            raise UserError(f"{key}.urls: '{file}' does not exist{advice}")
        return {**dataset, "urls": {**urls, "file": file}}
    if is_remote(dataset["folder"]):
        _check_server(f"{key}.folder", dataset["folder"])
        return dataset
    if is_bucket(dataset["folder"]):
        raise UserError(
            f"{key}.folder: '{dataset['folder']}' is a bucket; write 'bucket' for 'folder'."
        )
    folder = expanded_at_key(dataset["folder"], f"{key}.folder")
    if is_archive(folder) or is_compressed(folder):
        raise UserError(f"{key}.folder: '{folder}' is an archive; write 'archive' for 'folder'.")
    if os.path.isfile(folder):
        for glob in ("include", "exclude"):
            if glob in dataset:
                raise UserError(f"{key}.{glob}: '{folder}' is a single image; leave it out.")
    elif not os.path.isdir(folder):
        raise UserError(f"{key}.folder: {_no_folder(folder)}")
    _check_apart(key, folder, results)
    return {**dataset, "folder": folder}


def _checked_archive(key: str, given: str, results: str) -> str:
    """Check an archive or a pattern of archives, and return it expanded."""
    source = expanded_at_key(given, f"{key}.archive")
    if os.path.isdir(source):
        raise UserError(f"{key}.archive: '{source}' is a folder; write 'folder' for 'archive'.")
    if not (is_archive(source) or is_compressed(source)):
        raise UserError(
            f"{key}.archive: '{source}' is not an archive; give a path or a pattern that ends with "
            f"{', '.join([*FORMATS, *COMPRESSED])}."
        )
    with _at_key(f"{key}.archive"):
        paths = files_of(source)
    for path in paths:
        if is_inside(path, results):
            raise UserError(
                f"{key}.archive: '{path}' is inside the results '{results}'; choose separate "
                "folders."
            )
    return source


def _no_folder(path: str) -> str:
    """Say that a path is not a folder, and what may have been meant."""
    if any(ord(character) < ord(" ") for character in path):
        return (
            f"{shown(path)} is not a folder; in double quotes a '\\' begins an escape, so write "
            "'/' or use single quotes."
        )
    return f"'{path}' is not a folder{followed(lookalike(path), 'correct the path or mount it.')}"


def _check_apart(key: str, folder: str, results: str) -> None:
    """Check that neither of two folders is in the other.

    The results may be beside a single image, since nothing else of its folder is read.
    """
    if is_inside(folder, results):
        raise UserError(
            f"{key}.folder: '{folder}' is inside the results '{results}'; choose separate folders."
        )
    if os.path.isdir(folder) and is_inside(results, folder):
        raise UserError(
            f"{key}.folder: '{folder}' contains the results '{results}'; "
            "choose separate folders, or set 'results' to a place outside it."
        )
