"""What lies in a folder of a corpus: in natural order (1, 2, 10), without what operating systems leave behind.

Copies of a corpus spell their folders in many ways: `VA_Set`, `va set` and `VA-Set` are one name here.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from avfer.errors import DatasetError

JUNK = frozenset({"thumbs.db", "desktop.ini", "__macosx"})  # and all hidden names: .DS_Store, ._face.jpg
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".flv", ".wmv", ".m4v", ".mpg", ".mpeg")
SOUNDS = (".wav", ".flac", ".mp3", ".m4a", ".ogg")


def natural(name: str | Path) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """The key of natural order: numbers by value, letters without case, then as spelled."""
    text = str(name)
    parts = re.split(r"([0-9]+)", text.casefold())
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part), text


def is_junk(name: str) -> bool:
    """Whether a file or folder belongs to an operating system and not to the corpus."""
    return name.startswith(".") or name.lower() in JUNK


def entries(folder: Path) -> list[Path]:
    """All files and folders in a folder, in natural order, without junk. DatasetError where it cannot be listed."""
    return _in_order(_scan(folder))


def names(folder: Path) -> list[str]:
    """The names of all that lies in a folder, in no order: for folders of thousands of pictures."""
    return [entry.name for entry in _scan(folder)]


def files(folder: Path, *suffixes: str) -> list[Path]:
    """The files in a folder, in natural order; only those with one of the suffixes (any case) where some are given."""
    fitting = [entry for entry in _scan(folder) if not suffixes or entry.name.lower().endswith(suffixes)]
    return _in_order([entry for entry in fitting if entry.is_file()])


def folders(folder: Path) -> list[Path]:
    """The folders in a folder, in natural order."""
    return _in_order([entry for entry in _scan(folder) if entry.is_dir()])


def by_stem(folder: Path | None, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """The files of a folder by name without ending, `clip.v2` for `clip.v2.mp4`; nothing where there is no folder.

    Where endings compete (`clip.mp4`, `clip.avi`) the one named first wins.
    """
    if folder is None:
        return {}
    ranked = sorted(files(folder, *suffixes), key=lambda path: -suffixes.index(path.suffix.lower()))
    return {path.stem: path for path in ranked}


def plain(name: str) -> str:
    """A name without case, `-`, `_` and blanks: what two spellings of one folder have in common."""
    return re.sub(r"[-_\s]", "", name).casefold()


def find_folder(root: Path, *names: str) -> Path | None:
    """The folder in `root` that one of the names means, earlier names first; `a/b` goes down. None without one."""
    for name in names:
        here: Path | None = root
        for part in name.split("/"):
            here = _child(here, part) if here else None
        if here:
            return here
    return None


def walk(root: Path, depth: int = 3, stop: Callable[[str], bool] = lambda name: False) -> Iterator[Path]:
    """The root and all folders at most `depth` levels below, nearest first; nothing below those that `stop` names."""
    level = [root]
    for below in range(depth + 1):
        yield from level
        if below < depth:
            level = [child for folder in level if not stop(folder.name) for child in folders(folder)]


def search_folders(root: Path, names: Iterable[str], depth: int = 3) -> Iterator[Path]:
    """All folders at or below `root` that one of the names means, nearest first; nothing below a found one."""
    wanted = {plain(name) for name in names}
    for folder in walk(root, depth, lambda name: plain(name) in wanted):
        if plain(folder.name) in wanted:
            yield folder


def check_root(root: Path | str) -> Path:
    """The root as a path. DatasetError where it is no folder, or an empty one."""
    root = Path(root)
    if not root.is_dir():
        told = "is a file" if root.is_file() else "does not exist"
        raise DatasetError(f"the root '{root}' {told}; give the folder that the corpus was unpacked to")
    if not entries(root):
        raise DatasetError(f"the root '{root}' is empty; give the folder that the corpus was unpacked to")
    return root


def not_found(corpus: str, root: Path, looked_for: Iterable[str]) -> DatasetError:
    """The error for a root that holds no known layout of a corpus: what was looked for, and what is there."""
    there = [path.name + "/" * path.is_dir() for path in entries(root)]
    told = ", ".join(there[:8]) + (f" and {len(there) - 8} more" if len(there) > 8 else "")
    return DatasetError(
        f"no {corpus} in '{root}': looked for {', '.join(looked_for)}; there is: {told or 'nothing'}; "
        "give the folder that holds one of those"
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
    """The exact name first, then another spelling of it."""
    if (folder / name).is_dir():
        return folder / name
    return next((path for path in folders(folder) if plain(path.name) == plain(name)), None)
