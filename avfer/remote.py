"""Files in remote stores that fsspec opens (`s3://`, `https://`, ...): list them, read them, copy them.

Functions that take a path or a URL treat a text with "://" as a URL. Files are listed here by the parent process;
workers copy the clips themselves (`fetch`), so a slow store holds up one worker only.
"""

import errno
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from glob import has_magic
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from avfer.atomic import output_error, output_errors
from avfer.errors import AvferError, ConfigError, MediaError, MissingExtra
from avfer.local_paths import local_path


def _suffixes(names: str) -> frozenset[str]:
    return frozenset(f".{name}" for name in names.split())


# Suffixes that are looked for in folders; a file that the user names is taken whatever its suffix.
VIDEO_SUFFIXES = _suffixes("3g2 3gp asf avi dv f4v flv gif m2ts m4v mkv mov mp4 mpeg mpg mts mxf ogv ts vob webm wmv")
AUDIO_SUFFIXES = _suffixes("aac ac3 aif aiff amr caf flac m4a m4b mka mp3 oga ogg opus wav wma")
MEDIA_SUFFIXES = VIDEO_SUFFIXES | AUDIO_SUFFIXES
DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}  # of the local disk, while a clip is copied
EXTRAS = {  # scheme -> package, extra of avfer
    "s3": ("s3fs", "s3"),
    "s3a": ("s3fs", "s3"),
    "http": ("aiohttp", None),
    "https": ("aiohttp", None),
    "gs": ("gcsfs", None),
    "gcs": ("gcsfs", None),
    "az": ("adlfs", None),
    "abfs": ("adlfs", None),
}


class FetchError(MediaError):
    """A remote clip that cannot be copied."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a remote store."""

    name: str  # relative to the folder or pattern that was searched; empty if the URL names the file itself
    url: str  # with its protocol: "s3://bucket/clip.mp4"
    size: int  # bytes
    modified: float | None  # s since 1970; None if the store does not report it
    content_mark: str  # changes with the content: "etag:...", or "info:..." from everything else the store reports


def is_url(text: str) -> bool:
    """Return whether a text is a URL rather than a local path.

    >>> is_url("s3://bucket/a.mp4"), is_url("/data/a.mp4")
    (True, False)
    """
    return "://" in text


def without_query(url: str) -> str:
    """Return a web address without the query behind a media file, such as the signature of a store; others as they are.

    >>> without_query("https://host/talk.mp4?X-Amz-Signature=12"), without_query("https://host/?clip=1.mp4")
    ('https://host/talk.mp4', 'https://host/?clip=1.mp4')
    """
    path = url.partition("?")[0]
    is_media = url.startswith(("http://", "https://")) and PurePosixPath(path).suffix.lower() in MEDIA_SUFFIXES
    return path if is_media else url


def parent(text: str) -> str:
    """Return the folder of a local path or URL.

    >>> parent("s3://bucket/corpus/list.txt")
    's3://bucket/corpus'
    """
    return text.rpartition("/")[0] if is_url(text) else str(local_path(text).parent)


def read_bytes(text: str) -> bytes:
    """Return the content of a small file, local or remote. Raises ConfigError if it cannot be read."""
    if is_url(text):
        with _store(text) as (store, path):
            return store.cat_file(path)
    try:
        return local_path(text).read_bytes()
    except OSError as error:
        raise ConfigError(f"{text} cannot be read: {error.strerror}; check the path behind --input") from error


def info(url: str) -> RemoteFile:
    """Return one remote file. Raises ConfigError if the URL is not that of a file."""
    with _store(url) as (store, path):
        facts = store.info(path)
        if facts["type"] != "file":
            raise ConfigError(f"'{url}' is not a regular file; remove it from the input")
        return _remote_file(store, facts, "")


def find(url: str) -> Iterator[RemoteFile]:
    """Yield the file at a URL, the media files below a folder, or the files that a pattern matches.

    Raises ConfigError if there is none, MissingExtra if the package for the store is not installed.
    """
    with _store(url) as (store, path):
        if has_magic(path) and not store.exists(path):
            files = _matching(store, path)
        elif store.info(path)["type"] == "directory":
            files = _below(store, path)
        else:
            files = iter([info(url)])
        empty = True
        for file in files:
            empty = False
            yield file
    if empty:
        raise ConfigError(f"no media file at {url}")


def fetch(url: str, folder: Path) -> Path:
    """Copy a remote file into a local folder and return its path.

    Errors of the store pass through: OSError, or classes of its own.
    """
    from fsspec.core import url_to_fs  # imported for URLs alone, as it takes long

    store, path = url_to_fs(url)
    copy = folder / PurePosixPath(without_query(path)).name
    store.get_file(path, str(copy))
    return copy


def fetch_clip(url: str, folder: Path) -> Path:
    """Copy a remote clip into a local folder and return its path.

    Raises OutputError if the disk is full, FetchError if the clip cannot be copied for another reason.
    """
    try:
        return fetch(url, folder)
    except Exception as error:  # each store has error classes of its own
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            raise output_error(folder, error) from error
        raise FetchError(f"'{url}' cannot be copied: {_reason(error, url)}") from error


@contextmanager
def local_copy(url: str, folder: Path) -> Generator[Path]:
    """Yield a copy of a remote clip in a temporary folder below `folder`, which is removed after the block.

    An error of the block that names the copy names the URL instead. Raises OutputError and FetchError as `fetch_clip`.
    """
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        temporary = TemporaryDirectory(prefix=".avfer-", dir=folder)
    with temporary as name:
        copy = fetch_clip(url, Path(name))
        try:
            yield copy
        except AvferError as error:
            error.args = (str(error).replace(str(copy), url),)
            raise


def _matching(store: Any, pattern: str) -> Iterator[RemoteFile]:
    """Yield the files that a pattern matches; names are relative to its last folder without a wildcard."""
    fixed = PurePosixPath(pattern[: min(pattern.index(sign) for sign in "*?[" if sign in pattern)] + "x").parent
    for path, facts in sorted(store.glob(pattern, detail=True).items()):
        if facts["type"] == "file":
            yield _remote_file(store, facts, str(PurePosixPath(path).relative_to(fixed)))


def _below(store: Any, root: str) -> Iterator[RemoteFile]:
    """Yield the media files below a folder; only the listing of one folder is in memory at a time."""
    for folder, _, files in store.walk(root, detail=True, on_error="raise"):
        for name in sorted(files):
            path = PurePosixPath(folder, name).relative_to(root)
            if path.suffix.lower() in MEDIA_SUFFIXES and not any(part.startswith(".") for part in path.parts):
                yield _remote_file(store, files[name], str(path))


def _remote_file(store: Any, facts: dict[str, Any], name: str) -> RemoteFile:
    """Return a file from the facts that its store reports; their keys differ between stores."""
    etag = facts.get("ETag") or facts.get("etag")
    mark = f"etag:{str(etag).strip(chr(34))}" if etag else f"info:{store.ukey(facts['name'])}"
    modified = facts.get("LastModified") or facts.get("mtime") or facts.get("last_modified")
    modified = modified.timestamp() if isinstance(modified, datetime) else modified
    modified = float(modified) if isinstance(modified, int | float) else None
    return RemoteFile(name, store.unstrip_protocol(facts["name"]), int(facts.get("size") or 0), modified, mark)


@contextmanager
def _store(url: str) -> Generator[tuple[Any, str]]:
    """Yield the store of a URL and the path in it; raise the errors of the block as ConfigError with the URL."""
    from fsspec.core import url_to_fs

    scheme = url.partition("://")[0]
    try:
        yield url_to_fs(url, use_listings_cache=False)
    except AvferError:
        raise
    except ImportError as error:
        if scheme not in EXTRAS:
            raise ConfigError(f"input from {scheme}:// needs a package that is not installed: {error}") from error
        raise MissingExtra(f"input from {scheme}://", *EXTRAS[scheme]) from error
    except Exception as error:  # each store has error classes of its own
        raise ConfigError(
            f"{url} cannot be read: {_reason(error, url)}; check the address and your access rights"
        ) from error


def _reason(error: Exception, url: str) -> str:
    """Return the message of a store's error in one line; of one that names the URL alone, that of its cause."""
    shown = error.__cause__ if error.__cause__ and str(error) == url else error
    return " ".join(str(shown).split()) or type(shown).__name__
