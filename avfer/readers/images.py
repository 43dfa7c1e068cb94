"""Sequences of pictures: a folder of pictures, or a pattern such as `frames/%04d.png`, as one clip."""

import re
from collections.abc import Iterator
from pathlib import Path

from av import VideoFrame
from av.video.reformatter import VideoReformatter

from avfer.container import decode_packet, open_container, read_packets, video_stream
from avfer.errors import MediaError
from avfer.readers.pyav import AvPicture

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})
PATTERN = re.compile(r"%0?(\d*)d")  # the number of a picture, as in C: %d, %4d, %04d


def is_sequence(path: Path) -> bool:
    """Return whether a path is a folder, or a pattern of pictures rather than the name of a file."""
    return path.is_dir() or (len(PATTERN.findall(path.name)) == 1 and not path.exists())


def find_pictures(path: Path) -> list[Path]:
    """Return the pictures of a sequence in their order: by name in a folder (2 before 10), by number for a pattern.

    Hidden files and files with other suffixes are left out. Raises MediaError if there is no picture.
    """
    try:
        files = list((path if path.is_dir() else path.parent).iterdir())
    except OSError as error:
        raise MediaError(f"the folder of '{path}' cannot be listed: {error.strerror}; check the path") from error
    if path.is_dir():
        named = [f for f in files if f.suffix.lower() in PICTURE_SUFFIXES and not f.name.startswith(".")]
        found = sorted((f for f in named if f.is_file()), key=lambda file: _natural(file.name))
    else:
        found = [file for _, file in sorted(_numbered(path.name, files))]
    if not found:
        raise MediaError(f"'{path}' has no picture; expected files such as {min(PICTURE_SUFFIXES)} or .png")
    return found


def pictures(path: Path, fps: float) -> Iterator[AvPicture]:
    """Yield the pictures of a sequence; picture k has the time k / fps.

    A picture that cannot be decoded is replaced by the one before it (the first by the next) and marked corrupt, so
    that numbers and times stay those of the files. Raises MediaError if no picture can be decoded.
    """
    converter, before, missing = VideoReformatter(), None, 0
    for number, file in enumerate(find_pictures(path)):
        try:
            found = decode_picture(file)
        except MediaError:
            found = None
        if found is None and before is None:
            missing += 1
            continue
        frame, intact = (before, False) if found is None else (found, True)
        assert frame is not None
        for earlier in range(number - missing, number):
            yield AvPicture(frame, earlier / fps, True, converter, earlier)
        missing, before = 0, frame
        yield AvPicture(frame, number / fps, not intact, converter, number)
    if before is None:
        raise MediaError(f"no picture of '{path}' can be decoded; the files are damaged")


def decode_picture(file: Path) -> VideoFrame | None:
    """Return the first frame of a picture file, None if it is damaged. Raises MediaError if it cannot be opened."""
    with open_container(file) as container:
        stream = video_stream(container)
        if stream is not None:
            for packet in read_packets(container, stream):
                for frame in decode_packet(stream, packet) or ():
                    return frame
    return None


def _numbered(pattern: str, files: list[Path]) -> Iterator[tuple[int, Path]]:
    """Yield number and file of the files whose names match a pattern such as `shot_%04d.png`."""
    match = PATTERN.search(pattern)
    assert match is not None
    width = f"{{{match[1]},}}" if match[1] else "+"
    name = re.compile(re.escape(pattern[: match.start()]) + rf"(\d{width})" + re.escape(pattern[match.end() :]))
    for file in files:
        if found := name.fullmatch(file.name):
            yield int(found[1]), file


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts names with numbers by the numbers: img2 before img10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
