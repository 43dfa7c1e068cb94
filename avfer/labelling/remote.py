"""Files in stores that fsspec opens (`s3://`, `https://`, ...): what is there, and a copy to work on."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from glob import has_magic
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec

from avfer.errors import AvferError, ConfigError, MissingExtra
from avfer.inputs import MEDIA

EXTRAS = {"s3": ("s3fs", "s3"), "s3a": ("s3fs", "s3")}


@dataclass(frozen=True)
class Found:
    """A file of a store."""

    name: str  # as seen from what was asked for; empty where that is the file itself
    url: str
    size: int  # bytes
    modified: float | None  # s since 1970
    mark: str  # changes with the content


def is_url(text: str) -> bool:
    """Whether a text names something in a store."""
    return "://" in text


def read(text: str) -> bytes:
    """All of a small file, here or in a store. ConfigError where it cannot be read."""
    if is_url(text):
        with _asking(text) as (store, path):
            return store.cat_file(path)
    try:
        return Path(text).expanduser().read_bytes()
    except OSError as error:
        raise ConfigError(f"{text} cannot be read: {error.strerror}; check the path behind --input") from error


def info(url: str) -> Found:
    """What a store says of one file. ConfigError where it is no file."""
    with _asking(url) as (store, path):
        facts = store.info(path)
        if facts["type"] != "file":
            raise ConfigError(f"'{url}' is no regular file; take it out of the input")
        return _found(store, facts, "")


def find(url: str) -> Iterator[Found]:
    """The file a URL names, or the media below it, or what it matches. ConfigError where there is nothing."""
    with _asking(url) as (store, path):
        if has_magic(path) and not store.exists(path):
            files = _matching(store, path)
        elif store.info(path)["type"] == "directory":
            files = _below(store, path)
        else:
            files = iter([info(url)])
        empty = True
        for found in files:
            empty = False
            yield found
    if empty:
        raise ConfigError(f"no media file at {url}")


def fetch(url: str, folder: Path) -> Path:
    """Copy a file into a folder. Errors of the store are OSError or of its own kind."""
    store, path = fsspec.core.url_to_fs(url)
    copy = folder / PurePosixPath(path).name
    store.get_file(path, str(copy))
    return copy


def _matching(store: Any, pattern: str) -> Iterator[Found]:
    fixed = PurePosixPath(pattern[: min(pattern.index(sign) for sign in "*?[" if sign in pattern)] + "x").parent
    for path, facts in sorted(store.glob(pattern, detail=True).items()):
        if facts["type"] == "file":
            yield _found(store, facts, str(PurePosixPath(path).relative_to(fixed)))


def _below(store: Any, root: str) -> Iterator[Found]:
    """Folder by folder, so that only one listing is held."""
    for folder, _, files in store.walk(root, detail=True, on_error="raise"):
        for name in sorted(files):
            path = PurePosixPath(folder, name).relative_to(root)
            if path.suffix.lower() in MEDIA and not any(part.startswith(".") for part in path.parts):
                yield _found(store, files[name], str(path))


def _found(store: Any, facts: dict[str, Any], name: str) -> Found:
    """Content is known by the ETag that stores give; else by all they tell."""
    etag = facts.get("ETag") or facts.get("etag")
    mark = f"etag:{str(etag).strip(chr(34))}" if etag else f"info:{store.ukey(facts['name'])}"
    modified = facts.get("LastModified") or facts.get("mtime") or facts.get("last_modified")
    modified = modified.timestamp() if isinstance(modified, datetime) else modified
    modified = float(modified) if isinstance(modified, int | float) else None
    return Found(name, store.unstrip_protocol(facts["name"]), int(facts.get("size") or 0), modified, mark)


@contextmanager
def _asking(url: str) -> Generator[tuple[Any, str]]:
    """The store of a URL and the path in it; what goes wrong there is a ConfigError with the URL."""
    scheme = url.partition("://")[0]
    try:
        yield fsspec.core.url_to_fs(url, use_listings_cache=False)
    except AvferError:
        raise
    except ImportError as error:
        package, extra = EXTRAS.get(scheme, (f"a package for {scheme}:// ({error})", None))
        raise MissingExtra(f"input from {scheme}://", package, extra) from error
    except Exception as error:  # each store has errors of its own
        told = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"{url} cannot be read: {told}; check the address and the rights to it") from error
