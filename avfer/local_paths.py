"""Paths that a command line, a list, a manifest or a configuration names."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from avfer.errors import ConfigError
from avfer.yaml_reader import shown

MAX_NAME = 255  # bytes of one name, the limit of common file systems
MAX_PATH = 4096  # bytes


def local_path(text: str | Path) -> Path:
    """Return a path with `~` replaced by the home folder. Raises ConfigError as `check_path`, and for an empty text."""
    if not str(text):
        raise ConfigError("a path is empty, and would be the current folder; write . for that one")
    return check_path(Path(os.path.expanduser(text)))  # noqa: PTH111  (it leaves an unknown `~user` as it is)


def check_path(path: Path) -> Path:
    """Return the path. Raises ConfigError for a NUL character, a name that is not UTF-8, or names that are too long."""
    text = str(path)
    if "\0" in text:
        raise ConfigError(f"{shown(text)} is not a path: it has a NUL character")
    try:
        sizes = [len(part.encode()) for part in (text, *path.parts)]
    except UnicodeEncodeError:
        raise ConfigError(f"the name {shown(os.fsencode(path))} is not UTF-8; rename the file or folder") from None
    if sizes[0] > MAX_PATH or max(sizes[1:], default=0) > MAX_NAME:
        raise ConfigError(f"{shown(text)} is too long for a path ({sizes[0]} bytes)")
    return path


def is_folder(path: "Path | os.DirEntry[str]") -> bool:
    """Return whether a path leads to a folder; False for a link that may not be followed."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_file(path: "Path | os.DirEntry[str]") -> bool:
    """Return whether a path leads to a regular file; False for a link that may not be followed."""
    try:
        return path.is_file()
    except OSError:
        return False


def nearest_existing(path: Path) -> Path:
    """Return the path itself if it exists, else the nearest folder above it that does: there it would be created."""
    above = (path.absolute(), *path.absolute().parents)
    return next(place for place in above if os.path.exists(place))  # noqa: PTH110  (a folder may not be opened)


def _expand_and_check(path: Path) -> Path:
    try:
        return local_path(path)
    except ConfigError as error:
        raise ValueError(str(error)) from None


LocalPath = Annotated[Path, AfterValidator(_expand_and_check)]  # in a configuration of pydantic
