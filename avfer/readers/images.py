"""Frames of a sequence of pictures by PyAV, each picture opened as a file of its own."""

import warnings
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from av import VideoFrame
from av.video.reformatter import VideoReformatter

from avfer.container import decode_packet, open_container, read_packets, video_stream
from avfer.errors import AvferWarning, MediaError
from avfer.picture_files import find_pictures
from avfer.readers.pyav import AvPicture


def pictures(path: Path, fps: float) -> Iterator[AvPicture]:
    """Yield the pictures of a sequence; picture k has the time k / fps.

    A picture that cannot be decoded is replaced by the one before it (the first by the next) and marked corrupt, so
    that numbers and times stay those of the files. Raises MediaError if no picture can be decoded.
    """
    files = find_pictures(path)
    _warn_of_numbers(path, files)
    converter, before, missing = VideoReformatter(), None, 0
    for number, file in enumerate(files):
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


def _warn_of_numbers(path: Path, files: Sequence[Path]) -> None:
    """Warn if the names are numbers of frames that do not begin at 0 or 1, or have gaps.

    So are the faces of Aff-Wild2: 00017.jpg is the first one if no face was found before. Names whose numbers rise by
    other steps than 1, such as time stamps, do not count frames.
    """
    if not all(file.stem.isdecimal() for file in files):
        return
    numbers = [int(file.stem) for file in files]
    steps = [after - before for before, after in pairwise(numbers)]
    counts_frames = bool(steps) and 2 * steps.count(1) >= len(steps)
    if counts_frames and (numbers[0] > 1 or max(steps) > 1):
        names = f"{files[0].name} to {files[-1].name}"
        rule = "frames and times count the pictures, not the numbers in their names"
        warnings.warn(f"{path} has {len(files)} pictures, {names}: {rule}", AvferWarning, stacklevel=2)


def decode_picture(file: Path) -> VideoFrame | None:
    """Return the first frame of a picture file, None if it is damaged. Raises MediaError if it cannot be opened."""
    with open_container(file) as container:
        stream = video_stream(container)
        if stream is not None:
            for packet in read_packets(container, stream):
                for frame in decode_packet(stream, packet) or ():
                    return frame
    return None
