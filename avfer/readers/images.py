"""Frames of a sequence of pictures by PyAV, each picture opened as a file of its own."""

from collections.abc import Iterator
from pathlib import Path

from av import VideoFrame
from av.video.reformatter import VideoReformatter

from avfer.container import decode_packet, open_container, read_packets, video_stream
from avfer.errors import MediaError
from avfer.picture_files import find_pictures
from avfer.readers.pyav import AvPicture


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
