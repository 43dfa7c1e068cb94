"""Resolve `--input`: files, folders, globs, .txt lists and manifests, on this machine or at URLs that fsspec opens.

`avfer run` uses `find_clips`, a list, which skips files that cannot be read with a warning; `avfer label` uses
`find_checked_clips`, a stream, which refuses them.
Both walk folders in the same fixed order (by name at every level) and skip hidden files and folders, and the overlays
and videos that avfer wrote beside its tables and pages. Such a file can be named itself.

| input                  | files                                         | ids                                     |
| talk.mp4               | that file, whatever its suffix                | talk.mp4                                |
| corpus                 | media files in the folder and below           | relative to it: s1/talk.mp4             |
| frames                 | its pictures as one clip, if it has no media  | frames                                  |
| frames/%04d.png        | the pictures with these names as one clip     | %04d.png                                |
| corpus/*/*.mp4         | what matches; folders as above                | relative to corpus: s1/talk.mp4         |
| clips.txt              | one input a line, relative to the list        | the line; absolute paths without root   |
| clips.csv, .parquet    | the column `path`, relative to the manifest   | the column `id`, else as in a list      |
| s3://bucket/corpus     | as above, in a remote store                   | as above                                |
"""

import hashlib
import os
import stat
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from glob import has_magic, iglob
from pathlib import Path, PurePosixPath

import pyarrow as pa

from avfer import remote
from avfer.errors import AvferWarning, ConfigError, MediaError, shortened
from avfer.local_paths import check_path, is_file, is_folder, local_path
from avfer.manifest import Manifest, find_manifest
from avfer.picture_files import find_pictures, is_own_file, is_picture, is_sequence, warn_of_skipped
from avfer.remote import MEDIA_SUFFIXES


@dataclass(frozen=True)
class InputFile:
    """A media file that an input names; size and time, or a content mark, show whether it has changed."""

    id: str  # name inside the corpus: the path relative to the folder, list or pattern that the user gave
    path: str  # absolute path, or a URL
    given: str  # the path before it was made absolute, for messages
    size: int  # bytes
    modified: float | None  # s since 1970; None if a remote store does not report it
    content_mark: str | None = None  # changes with the content, as reported by a remote store (such as an ETag)
    columns: pa.Table | None = None  # one row: the user's columns of a manifest
    path_in_tree: str = ""  # path below the folder or pattern in which the file was found; empty: its name
    chosen_name: str = ""  # of its output files, from the column `id` of a manifest; empty: made from its path
    sound: str | None = None  # absolute path of a separate sound file (see avfer.sound_files)


def find_checked_clips(inputs: Sequence[str], manifest: Manifest | None, stills: bool = False) -> Iterator[InputFile]:
    """Yield the media files behind the inputs, each once, in a fixed order; none is skipped without an error.

    manifest: the table that the inputs name (see find_manifest), which then replaces them.
    stills: whether each picture of a sequence is a clip of its own.

    Raises ConfigError if an input names nothing, if a file is not a regular file (a pipe would block its reader), if a
    folder cannot be listed (its clips would be missing without notice), or if two files have the same id.
    """
    path_of: dict[str, str] = {}
    paths: set[str] = set()
    files = _manifest_files(manifest) if manifest else (file for text in inputs for file in _expand(text, strict=True))
    for file in _split_sequences(files) if stills else files:
        if file.path in paths:
            continue
        if file.id in path_of:
            clash = f"{path_of[file.id]} and {file.path} would both be called '{file.id}'"
            raise ConfigError(f"{clash}; give the folder above them, or a manifest with a column 'id'")
        path_of[file.id] = file.path
        paths.add(file.path)
        yield file


def find_clips(inputs: Sequence[str], stills: bool = False) -> list[InputFile]:
    """Return the media files behind the inputs, each once (links resolved), as a list; `given` are their paths.

    Files inside folders that are not regular, links that lead nowhere, and folders that cannot be listed are skipped
    with a warning; a file that a glob matches is returned unchecked.

    Raises ConfigError if an input names nothing.
    """
    manifest = find_manifest(inputs)
    files = _manifest_files(manifest) if manifest else (file for text in inputs for file in _expand(text, strict=False))
    found: dict[Path | str, InputFile] = {}
    for file in _split_sequences(files) if stills else files:
        found.setdefault(file.path if remote.is_url(file.path) else Path(file.path).resolve(), file)
    return list(found.values())


def _manifest_files(manifest: Manifest) -> Iterator[InputFile]:
    """Yield the files of a manifest; after the last one raise ConfigError with all rows that name no regular file."""
    faults: list[str] = []
    for row, (path, name) in enumerate(zip(manifest.paths, manifest.ids, strict=True)):
        try:
            file_id = str(PurePosixPath(name)) if name else _listed_name(path, manifest.base)
            file = _file(_join(manifest.base, path), file_id)
            yield replace(file, columns=manifest.columns_of(row), chosen_name=file_id if name else "")
        except ConfigError as error:
            faults.append(str(error))
    if faults:
        raise ConfigError(f"{manifest.name}: {shortened(faults, separator='; ')}")


def _expand(text: str, strict: bool) -> Iterator[InputFile]:
    """Yield the files of one input. strict: whether irregular files in folders are errors (else they are skipped)."""
    if text.lower().endswith(".txt") and not is_folder(local_path(text)):
        yield from _expand_list(text, strict)
    else:
        yield from _expand_path(text, "", text, strict)


def _expand_list(text: str, strict: bool) -> Iterator[InputFile]:
    """Yield the files of a list: one input a line, relative to the folder of the list; "#" begins a comment line."""
    base = remote.parent(text)
    try:
        lines = [line.strip() for line in remote.read_bytes(text).decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise ConfigError(f"the list {text} cannot be read: {error}") from error
    entries = [(number, line) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
    if not entries:
        raise ConfigError(f"the list {text} names no file")
    for number, line in entries:
        try:
            yield from _expand_path(_join(base, line), _listed_name(line, base), line, strict)
        except ConfigError as error:
            raise ConfigError(f"{error} ({text}, line {number})") from error


def _expand_path(path: str, name: str, given: str, strict: bool) -> Iterator[InputFile]:
    """Yield the files behind a file, folder, pattern or URL.

    name: id of a single file, and prefix of the ids in a folder; empty to take them from the path.
    given: the input as the user wrote it, for messages.
    """
    if remote.is_url(path):
        for found in remote.find(path):
            file_id = _join_names(name, found.name) or PurePosixPath(remote.without_query(found.url)).name
            state = (found.size, found.modified, found.content_mark)
            yield InputFile(file_id, found.url, found.url, *state, path_in_tree=found.name)
        return
    local = local_path(path)
    if is_folder(local):
        yield from _expand_folder(local, name, strict)
    elif os.path.lexists(local):
        yield _file(str(local), name or local.name)
    elif is_sequence(local):
        yield _sequence_file(local, name or local.name)
    elif has_magic(str(local)):
        yield from _expand_pattern(local, given, strict)
    else:
        raise ConfigError(f"no file, folder or pattern '{given}'; check the path behind --input")


def _expand_pattern(pattern: Path, given: str, strict: bool) -> Iterator[InputFile]:
    """Yield the files that a pattern matches; ids are relative to its last folder without a wildcard."""
    parts = pattern.parts
    fixed = Path(*parts[: next(number for number, part in enumerate(parts) if has_magic(part))])
    found = sorted(iglob(str(pattern), recursive=True))  # noqa: PTH207
    if not found:
        raise ConfigError(f"no file or folder matches '{given}'; check the path behind --input")
    for path in map(Path, found):
        name = path.relative_to(fixed).as_posix()
        if is_folder(path):
            yield from _expand_folder(path, name, strict, may_be_empty=True)
        else:
            unchecked = InputFile(name, str(check_path(path).absolute()), str(path), 0, None)
            yield replace(_file(str(path), name) if strict else unchecked, path_in_tree=name)


def _expand_folder(folder: Path, name: str, strict: bool, may_be_empty: bool = False) -> Iterator[InputFile]:
    """Yield the media files in a folder and the folders in it; warn of pictures among them, which are skipped."""
    empty, pictures = True, list[Path]()
    for path in _walk(folder, strict, ()):
        if is_picture(path):
            pictures.append(path)
        elif strict or is_file(path):
            empty = False
            below = path.relative_to(folder).as_posix()
            yield replace(_file(str(path), _join_names(name, below)), path_in_tree=below)
        else:
            problem = "is a link to nothing" if path.is_symlink() else "is not a regular file"
            warnings.warn(f"{path} {problem}: it is skipped", AvferWarning, stacklevel=2)
    if pictures and not empty:
        warn_of_skipped(folder, pictures)
    if empty:
        for sequence in sorted({path.parent for path in pictures}):
            empty = False
            below = "" if sequence == folder else sequence.relative_to(folder).as_posix()
            yield replace(_sequence_file(sequence, _join_names(name, below)), path_in_tree=below)
    if empty and not may_be_empty:
        raise ConfigError(f"no media file and no picture in the folder {folder}")


def _sequence_file(path: Path, name: str) -> InputFile:
    """Return a folder or a pattern of pictures as one clip. Raises ConfigError if there is no picture.

    Its content mark is a hash of the names, sizes and times of all pictures.
    """
    try:
        states = [(file.name, file.stat().st_size, file.stat().st_mtime) for file in find_pictures(path)]
    except (MediaError, OSError) as error:
        raise ConfigError(str(error)) from error
    mark = f"pictures:{hashlib.sha256(repr(states).encode()).hexdigest()}"
    size, modified = sum(state[1] for state in states), max(state[2] for state in states)
    absolute = os.path.abspath(path)  # noqa: PTH100
    return InputFile(name or Path(absolute).name, absolute, str(path), size, modified, mark)


def _split_sequences(files: Iterator[InputFile]) -> Iterator[InputFile]:
    """Yield each picture of a sequence as a file of its own, and the other files as they are."""
    for file in files:
        if remote.is_url(file.path) or not is_sequence(Path(file.path)):
            yield file
            continue
        is_pattern = not Path(file.path).is_dir()
        folder = str(PurePosixPath(file.id).parent).removeprefix(".") if is_pattern else file.id.removeprefix(".")
        for picture in find_pictures(Path(file.path)):
            found = _file(str(picture), _join_names(folder, picture.name))
            yield replace(found, path_in_tree=_join_names("" if is_pattern else file.path_in_tree, picture.name))


def _walk(folder: Path, strict: bool, above: tuple[tuple[int, int], ...]) -> Iterator[Path]:
    """Yield media files and pictures by name, level by level; linked folders are followed, but not in a circle.

    A link without suffix that leads nowhere is yielded too.

    above: device and inode of the folders above this one.
    """
    try:
        status = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        fault = f"the folder {folder} cannot be listed: {error.strerror}"
        if not strict:
            warnings.warn(f"{fault}; it is skipped", AvferWarning, stacklevel=2)
            return
        raise ConfigError(f"{fault}; change its permissions or leave it out") from error
    if (identity := (status.st_dev, status.st_ino)) in above:
        return
    names = {entry.name for entry in entries}
    for entry in entries:
        if entry.name.startswith(".") or is_own_file(entry.name, names):
            continue
        if is_folder(entry):
            yield from _walk(folder / entry.name, strict, (*above, identity))
        elif is_picture(path := Path(entry.name)) or path.suffix.lower() in MEDIA_SUFFIXES or _is_lost_folder(entry):
            yield folder / entry.name


def _is_lost_folder(entry: "os.DirEntry[str]") -> bool:
    """Return whether an entry is a link to nothing whose name has no suffix: a folder of clips may be missing."""
    return entry.is_symlink() and not Path(entry.name).suffix and not Path(entry.path).exists()


def _file(path: str, name: str) -> InputFile:
    """Return a regular file with its size and time. Raises ConfigError for anything else."""
    if remote.is_url(path):
        found = remote.info(path)
        return InputFile(name, found.url, found.url, found.size, found.modified, found.content_mark)
    absolute = str(check_path(Path(os.path.abspath(path))))  # noqa: PTH100
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError as error:
        raise ConfigError(f"'{path}' does not exist: {error.strerror}; check the path") from error
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(f"'{path}' is not a regular file; remove it from the input")
    return InputFile(name, absolute, path, status.st_size, status.st_mtime)


def _listed_name(line: str, base: str) -> str:
    """Return the id of a file of a list: its path as written; absolute, without the root, if it leaves the folder."""
    if remote.is_url(line):
        return remote.without_query(line).partition("://")[2]
    path = PurePosixPath(Path(line).as_posix())
    if path.is_absolute() or ".." in path.parts:
        path = PurePosixPath(os.path.abspath(Path(base) / path))  # noqa: PTH100
        return str(path.relative_to(path.anchor))
    return str(path)


def _join_names(*names: str) -> str:
    return "/".join(name for name in names if name)


def _join(base: str, line: str) -> str:
    """Return a path of a list, relative to the folder or URL of the list."""
    if remote.is_url(line):
        return line
    return f"{base}/{line}" if remote.is_url(base) else str(Path(base) / local_path(line))
