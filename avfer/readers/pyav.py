"""Pictures by PyAV: every format, true times, damage told."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from av import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from avfer.media import frames_of, opened, packets, picture_stream, quarter_turns, seconds


@dataclass(frozen=True, eq=False)
class AvPicture:
    """A frame of PyAV, in the codec's own pixels."""

    frame: VideoFrame
    time: float  # seconds after the first frame
    corrupt: bool
    converter: VideoReformatter  # shared by the frames of a clip, it keeps its tables

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) px, as displayed."""
        height, width = self.frame.height, self.frame.width
        return (width, height) if quarter_turns(self.frame) % 2 else (height, width)

    def draw(self, into: np.ndarray) -> None:
        """Write the picture as RGB, turned upright.   into: (H, W, 3) uint8"""
        turns = quarter_turns(self.frame)
        height, width = into.shape[1::-1] if turns % 2 else into.shape[:2]
        rgb = self.converter.reformat(
            self.frame, width, height, format="rgb24", interpolation=Interpolation.BILINEAR, threads=1
        )
        plane = rgb.planes[0]
        rows = np.frombuffer(plane, np.uint8).reshape(height, plane.line_size)
        into[...] = np.rot90(rows[:, : width * 3].reshape(height, width, 3), turns)


def pictures(path: Path) -> Iterator[AvPicture]:
    """All frames in the order of decoding, decoded on one thread.

    Times are presentation stamps less the first frame's; a frame without a stamp follows the one before it by that
    frame's duration. A packet that cannot be decoded is stepped over, and the next frame is marked corrupt.
    """
    with opened(path) as container:
        stream = picture_stream(container)
        if stream is None:
            return
        converter = VideoReformatter()
        lost, zero, following = False, None, 0.0
        for packet in packets(container, stream):
            frames = frames_of(stream, packet)
            lost |= frames is None
            for frame in frames or ():
                now = seconds(frame, stream)
                now = following if now is None else now
                zero = now if zero is None else zero
                following = now + float(frame.duration * (stream.time_base or 0))
                yield AvPicture(frame, now - zero, frame.is_corrupt or lost, converter)
                lost = False
