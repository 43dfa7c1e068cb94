"""Files and folders of a corpus on disk, in natural order (1, 2, 10) and without files of the operating system.

Copies of a corpus spell their folders in many ways: `VA_Set`, `va set` and `VA-Set` count as one name here.
Archives often unpack into a folder of their own name, so `train/train` means the inner folder.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from avfer.datasets.example import Notes, Partition
from avfer.errors import DatasetError, shortened
from avfer.local_paths import check_path, is_file, is_folder

JUNK = frozenset({"thumbs.db", "desktop.ini", "__macosx"})  # and all hidden names: .DS_Store, ._face.jpg
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".flv", ".wmv", ".m4v", ".mpg", ".mpeg")
SOUNDS = (".wav", ".flac", ".mp3", ".m4a", ".ogg")
MAX_LISTED = 8  # entries of a wrong root that an error lists
MISSING_PARTITION = "partitions of the distribution that are missing"
NO_RECORDING = "files without the name of a recording: ignored"
REPEATED_RECORDING = "further files of one recording: the first is read"
PartitionNames = dict[Partition, tuple[str, ...]]  # partition -> names its folder may have, the likeliest first


def natural(name: str | Path) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Return the sort key of natural order: numbers by value, letters without case, ties as spelled.

    >>> sorted(["clip10", "Clip2", "clip1"], key=natural)
    ['clip1', 'Clip2', 'clip10']
    """
    text = str(name)
    parts = re.split(r"([0-9]+)", text.casefold())
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part), text


def is_junk(name: str) -> bool:
    """Return whether a file or folder was left by an operating system: a hidden name, `Thumbs.db`, `__MACOSX`."""
    return name.startswith(".") or name.lower() in JUNK


def list_entries(folder: Path) -> list[Path]:
    """Return all files and folders in a folder, in natural order. Raises DatasetError if it cannot be listed."""
    return _in_order(_scan(folder))


def list_names(folder: Path) -> list[str]:
    """Return the names in a folder, unsorted: fast for folders of thousands of pictures."""
    return [entry.name for entry in _scan(folder)]


def list_files(folder: Path, *suffixes: str) -> list[Path]:
    """Return the files in a folder in natural order; with `suffixes`, only those that end so (in any case)."""
    fitting = [entry for entry in _scan(folder) if not suffixes or entry.name.lower().endswith(suffixes)]
    return _in_order([entry for entry in fitting if is_file(entry)])


def list_folders(folder: Path) -> list[Path]:
    """Return the folders in a folder, in natural order."""
    return _in_order([entry for entry in _scan(folder) if is_folder(entry)])


def by_stem(folder: Path | None, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Return the files of a folder by name without suffix, `clip.v2` for `clip.v2.mp4`; empty without a folder.

    Of files that differ in suffix alone (`clip.mp4`, `clip.avi`), the suffix that is listed first wins.
    """
    if folder is None:
        return {}
    ranked = sorted(list_files(folder, *suffixes), key=lambda path: -suffixes.index(path.suffix.lower()))
    return {path.stem: path for path in ranked}


def identified(
    paths: Iterable[Path], identify: Callable[[Path], str | None], notes: Notes, *, other: str, repeated: str
) -> dict[str, Path]:
    """Return files by the id that `identify` reads from their path; of several files with one id the first is kept.

    identify: returns None for a file that belongs to no recording.
    other, repeated: notes to count for a file without an id, and for a further file with the same id.
    """
    found: dict[str, Path] = {}
    for path in paths:
        name = identify(path)
        if name is None:
            notes.add(other, path)
        elif name in found:
            notes.add(repeated, path)
        else:
            found[name] = path
    return found


def plain(name: str) -> str:
    """Return a name in lower case without `-`, `_` and blanks: two spellings of one folder become equal.

    >>> plain("VA_Set") == plain("va set")
    True
    """
    return re.sub(r"[-_\s]", "", name).casefold()


def find_folder(root: Path, *names: str) -> Path | None:
    """Return the folder in `root` with the first of some names, in any spelling; None if there is none.

    A name `a/b` descends two levels.
    """
    for name in names:
        here: Path | None = root
        for part in name.split("/"):
            here = _child(here, part) if here else None
        if here:
            return here
    return None


def walk(root: Path, depth: int = 3, stop: Callable[[str], bool] = lambda name: False) -> Iterator[Path]:
    """Yield the root and all folders up to `depth` levels below it, nearest first.

    stop: called with the name of a folder; if it returns True, the walk does not descend into that folder.
    """
    level = [root]
    for below in range(depth + 1):
        yield from level
        if below < depth:
            level = [child for folder in level if not stop(folder.name) for child in list_folders(folder)]


def search_folders(root: Path, names: Iterable[str], depth: int = 3) -> Iterator[Path]:
    """Yield all folders at or below `root` with one of the names, nearest first; a match is not descended into."""
    wanted = {plain(name) for name in names}
    for folder in walk(root, depth, lambda name: plain(name) in wanted):
        if plain(folder.name) in wanted:
            yield folder


def partition_folders(root: Path, wanted: PartitionNames, depth: int = 2) -> dict[Partition, Path]:
    """Return the nearest folder below the root for each partition, missing ones left out.

    A matching folder is not searched for other partitions; of `train/train` the inner folder is returned.
    """
    found: dict[Partition, Path] = {}
    level = [root]
    for _ in range(depth + 1):
        level = [child for folder in level for child in list_folders(folder)]
        here = {plain(folder.name): folder for folder in reversed(level)}  # of two on one level the first
        for partition, words in wanted.items():
            match = next((here[plain(word)] for word in words if plain(word) in here), None)
            if match is not None and partition not in found:
                found[partition] = find_folder(match, *words) or match
        if len(found) == len(wanted):
            break
        known = {plain(word) for words in wanted.values() for word in words}
        level = [folder for folder in level if plain(folder.name) not in known]
    return {partition: found[partition] for partition in wanted if partition in found}


def note_missing_partitions(root: Path, wanted: PartitionNames, found: Mapping[Partition, Path], notes: Notes) -> None:
    """Note each partition without a folder: a half-copied corpus looks like a smaller one."""
    for partition, words in wanted.items():
        if partition not in found:
            notes.add(MISSING_PARTITION, root / words[0])


def check_root(root: Path | str) -> Path:
    """Return the root as a path that ends in the name of the folder, also for `.` and `..`.

    Raises DatasetError if it is not a folder, or an empty one.
    """
    root = check_path(Path(root))
    if root.name in {"", ".."}:  # the name of a folder may identify it, such as VA_Estimation_Challenge
        root = root.resolve()
    if not is_folder(root):
        problem = "is a file" if is_file(root) else "does not exist, or may not be opened"
        raise DatasetError(f"the root '{root}' {problem}; give the folder that the corpus was unpacked to")
    if not list_entries(root):
        raise DatasetError(f"the root '{root}' is empty; give the folder that the corpus was unpacked to")
    return root


def not_found(corpus: str, root: Path, looked_for: Iterable[str]) -> DatasetError:
    """Return the error for a root without a known layout of a corpus; it lists the files looked for and those found."""
    there = [path.name + "/" * is_folder(path) for path in list_entries(root)]
    listed = shortened(there, MAX_LISTED)
    return DatasetError(
        f"no {corpus} in '{root}': looked for {', '.join(looked_for)}; found: {listed or 'nothing'}; "
        "give the folder that contains one of the former"
    )


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return [entry for entry in found if not is_junk(entry.name)]
    except OSError as error:
        raise DatasetError(f"{folder} cannot be listed: {error.strerror}; give the folder of the corpus") from error


def _in_order(found: list[os.DirEntry[str]]) -> list[Path]:
    return [Path(entry.path) for entry in sorted(found, key=lambda entry: natural(entry.name))]


def _child(folder: Path, name: str) -> Path | None:
    """Return the child folder of exactly this name, else one with another spelling of it."""
    if is_folder(folder / name):
        return folder / name
    return next((path for path in list_folders(folder) if plain(path.name) == plain(name)), None)
