"""Sequences of pictures: a folder of pictures, or a pattern such as `frames/%04d.png`, as one clip."""

import re
import warnings
from collections.abc import Collection, Iterator, Sequence
from mimetypes import guess_type
from pathlib import Path

from avfer.errors import AvferWarning, MediaError, counted

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})
# Endings of the pictures and videos that avfer writes -> those of the files that they lie beside.
TABLES = (".parquet", ".csv", ".jsonl")
OWN_FILES = {".overlay.mp4": TABLES, ".overlay.jpg": TABLES, ".video.mp4": (".html",)}
PATTERN = re.compile(r"%0?(\d{0,2})d")  # the number of a picture, as in C: %d, %4d, %04d


def is_picture(path: Path) -> bool:
    """Return whether a file name is that of a picture: its suffix is one of SUFFIXES and it is not hidden."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def is_sequence(path: Path) -> bool:
    """Return whether a path is a folder, or a pattern of pictures rather than the name of a file."""
    try:
        return path.is_dir() or (len(PATTERN.findall(path.name)) == 1 and not path.exists())
    except (OSError, ValueError):  # the name is too long or has a NUL: opening the file reports it
        return False


def is_photograph(path: Path) -> bool:
    """Return whether a path is that of one picture, and not of a sequence of them or of a video."""
    return is_picture(path) and not is_sequence(path)


def is_own_file(name: str, names: Collection[str]) -> bool:
    """Return whether avfer wrote a picture or a video: what it shows lies beside it, among `names`."""
    own = [(name.removesuffix(ending), others) for ending, others in OWN_FILES.items() if name.endswith(ending)]
    return any(f"{stem}{other}" in names for stem, others in own for other in others)


def find_pictures(path: Path) -> list[Path]:
    """Return the pictures of a sequence in their order: by name in a folder (2 before 10), by number for a pattern.

    Overlays that avfer wrote beside its tables in a folder are left out. Raises MediaError if there is no picture.
    """
    try:
        files = list((path if path.is_dir() else path.parent).iterdir())
    except OSError as error:
        raise MediaError(f"the folder of '{path}' cannot be listed: {error.strerror}; check the path") from error
    if path.is_dir():
        names = {file.name for file in files}
        pictures = [file for file in files if is_picture(file) and not is_own_file(file.name, names)]
        found = sorted(filter(Path.is_file, pictures), key=lambda file: _natural(file.name))
    else:
        found = [file for _, file in sorted(_numbered(path.name, files)) if file.is_file()]
    if not found and path.is_dir():
        raise MediaError(f"'{path}' is a folder, not a media file, and has no picture; give a file in it")
    if not found:
        raise MediaError(f"no file matches the pattern '{path}'; check the path")
    return found


def warn_of_skipped(folder: Path, pictures: Sequence[Path]) -> None:
    """Warn that pictures are not read because they lie in a folder with media files, and how to read them."""
    pattern = pictures[0].with_name(f"*{pictures[0].suffix}")
    skipped = f"skipped {counted(len(pictures), 'picture')} in {folder}, which also holds media files"
    warnings.warn(f"{skipped}; --input '{pattern}' reads each as a clip", AvferWarning, stacklevel=2)


def warn_of_videos(path: Path, count: int) -> None:
    """Warn of the videos in a folder whose pictures are read as one clip; overlays of avfer do not count.

    path: of a folder or pattern, which needs no warning; count: of its pictures.
    """
    names = (file.name for file in path.iterdir()) if path.is_dir() else ()
    videos = [name for name in names if (guess_type(name)[0] or "").startswith("video/") and ".overlay." not in name]
    if videos:
        text = f"{path} is read as one clip of {counted(count, 'picture')}, without the videos in it"
        warnings.warn(f"{text}; run() takes one clip, and label() a folder of clips", AvferWarning, stacklevel=2)


def _numbered(pattern: str, files: list[Path]) -> Iterator[tuple[int, Path]]:
    """Yield number and file of the files whose names match a pattern such as `shot_%04d.png`."""
    match = PATTERN.search(pattern)
    assert match is not None
    width = f"{{{int(match[1])},18}}" if match[1] else "{1,18}"
    name = re.compile(re.escape(pattern[: match.start()]) + rf"(\d{width})" + re.escape(pattern[match.end() :]))
    for file in files:
        if found := name.fullmatch(file.name):
            yield int(found[1]), file


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts names with numbers by the numbers: img2 before img10."""
    return [(int(part), "") if part.isdecimal() and len(part) < 19 else (-1, part) for part in re.split(r"(\d+)", name)]
