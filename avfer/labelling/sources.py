"""What `--input` names, as a stream of clips: folders, globs, lists, manifests, here or in what fsspec opens."""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import has_magic, iglob
from pathlib import Path, PurePosixPath

from avfer.errors import ConfigError
from avfer.inputs import MEDIA
from avfer.labelling import remote
from avfer.labelling.manifest import Manifest, is_manifest, read_manifest

TOLD = 5  # faults named in one message


@dataclass(frozen=True)
class Source:
    """A file that is to be labelled."""

    id: str
    path: str  # absolute, or a URL
    size: int  # bytes
    modified: float | None  # s since 1970
    mark: str | None = None  # a store's own mark of the content
    row: int | None = None  # of the user's manifest


def find_sources(inputs: Sequence[str], manifest: Manifest | None) -> Iterator[Source]:
    """The files behind the inputs, each once. ConfigError where an input names nothing or no regular file."""
    seen: dict[str, str] = {}
    paths: set[str] = set()
    every = _rows(manifest) if manifest else (source for text in inputs for source in _expand(text))
    for source in every:
        if source.path in paths:
            continue
        if source.id in seen:
            told = f"{seen[source.id]} and {source.path} would both be called '{source.id}'"
            raise ConfigError(f"{told}; give the folder above them, or a manifest with a column 'id'")
        seen[source.id] = source.path
        paths.add(source.path)
        yield source


def find_manifest(inputs: Sequence[str]) -> Manifest | None:
    """The user's manifest, if that is what the inputs are."""
    named = [text for text in inputs if is_manifest(text)]
    if named and len(inputs) > 1:
        raise ConfigError(f"a manifest stands alone behind --input; {named[0]} came with {len(inputs) - 1} more")
    return read_manifest(named[0]) if named else None


def _rows(manifest: Manifest) -> Iterator[Source]:
    """The files a manifest names; all that are missing are told at once, before any work."""
    faults: list[str] = []
    for row, (path, name) in enumerate(zip(manifest.paths, manifest.ids, strict=True)):
        try:
            yield _file(_beside(manifest.base, path), name or _name_listed(path, manifest.base), row)
        except ConfigError as error:
            faults.append(str(error))
    if faults:
        more = f" (and {len(faults) - TOLD} more)" if len(faults) > TOLD else ""
        raise ConfigError(f"{manifest.name}: {'; '.join(faults[:TOLD])}{more}")


def _expand(text: str) -> Iterator[Source]:
    """One input of the command line. Folders give names seen from themselves."""
    if text.lower().endswith(".txt"):
        yield from _listed(text)
    else:
        yield from _named(text, "", text)


def _listed(text: str) -> Iterator[Source]:
    """One input a line, seen from the list's folder; empty lines and lines with # are skipped."""
    base = _parent(text)
    lines = [line.strip() for line in remote.read(text).decode("utf-8-sig").splitlines()]
    named = [line for line in lines if line and not line.startswith("#")]
    if not named:
        raise ConfigError(f"the list {text} names no file")
    for line in named:
        path = _beside(base, line)
        yield from _named(path, _name_listed(line, base), line)


def _named(path: str, name: str, told: str) -> Iterator[Source]:
    """A file, folder or pattern. `name` goes before what folders give, and is what a file is called."""
    if remote.is_url(path):
        for found in remote.find(path):
            called = _joined(name, found.name) or PurePosixPath(found.url).name
            yield Source(called, found.url, found.size, found.modified, found.mark)
        return
    place = Path(path).expanduser()
    if place.is_dir():
        yield from _folder(place, name)
    elif os.path.lexists(place):
        yield _file(str(place), name or place.name)
    elif has_magic(str(place)):
        yield from _matches(place, told)
    else:
        raise ConfigError(f"no file, folder or pattern '{told}'; check the path behind --input")


def _matches(pattern: Path, told: str) -> Iterator[Source]:
    """What a pattern matches, called as seen from its last folder without a wildcard."""
    fixed = Path(*_plain(pattern.parts))
    found = sorted(iglob(str(pattern), recursive=True))  # noqa: PTH207
    if not found:
        raise ConfigError(f"nothing matches '{told}'; check the path behind --input")
    for path in map(Path, found):
        name = path.relative_to(fixed).as_posix()
        if path.is_dir():
            yield from _folder(path, name, may_be_empty=True)
        else:
            yield _file(str(path), name)


def _plain(parts: Sequence[str]) -> Iterator[str]:
    for part in parts:
        if has_magic(part):
            return
        yield part


def _folder(folder: Path, name: str, may_be_empty: bool = False) -> Iterator[Source]:
    """The media in a folder and the folders in it."""
    empty = True
    for path in _walk(folder, ()):
        empty = False
        yield _file(str(path), _joined(name, path.relative_to(folder).as_posix()))
    if empty and not may_be_empty:
        raise ConfigError(f"no media file in the folder {folder}")


def _walk(folder: Path, above: tuple[tuple[int, int], ...]) -> Iterator[Path]:
    """Media in a fixed order. Links are followed, but never in a circle; hidden names stay aside.

    A folder that cannot be listed is an error: to step over it would lose its clips in silence.
    """
    try:
        here = folder.stat()
        inside = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise ConfigError(
            f"the folder {folder} cannot be listed: {error.strerror}; mend that or leave it out"
        ) from error
    mark = (here.st_dev, here.st_ino)
    if mark in above:
        return
    for entry in inside:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(folder / entry.name, (*above, mark))
        elif Path(entry.name).suffix.lower() in MEDIA:
            yield folder / entry.name


def _file(path: str, name: str, row: int | None = None) -> Source:
    """A regular file; anything else is refused: a pipe, for one, would hang whoever opens it."""
    if remote.is_url(path):
        found = remote.info(path)
        return Source(name, found.url, found.size, found.modified, found.mark, row)
    try:
        facts = os.stat(path)  # noqa: PTH116
    except OSError as error:
        raise ConfigError(f"'{path}' is not there: {error.strerror}; check the path") from error
    if not stat.S_ISREG(facts.st_mode):
        raise ConfigError(f"'{path}' is no regular file; take it out of the input")
    return Source(name, os.path.abspath(path), facts.st_size, facts.st_mtime, None, row)  # noqa: PTH100


def _name_listed(line: str, base: str) -> str:
    """What a file of a list is called: as it stands there, without what leads to the root."""
    if remote.is_url(line):
        return line.partition("://")[2]
    path = PurePosixPath(Path(line).as_posix())
    if path.is_absolute() or ".." in path.parts:
        path = PurePosixPath(os.path.abspath(Path(base) / path))  # noqa: PTH100
        return str(path.relative_to(path.anchor))
    return str(path)


def _joined(*names: str) -> str:
    return "/".join(name for name in names if name)


def _parent(text: str) -> str:
    return text.rpartition("/")[0] if remote.is_url(text) else str(Path(text).expanduser().parent)


def _beside(base: str, line: str) -> str:
    """A path as seen from a folder or a URL."""
    if remote.is_url(line):
        return line
    return f"{base}/{line}" if remote.is_url(base) else str(Path(base) / Path(line).expanduser())
