"""Pictures by PyAV: every format, true times, damage told."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from av import Packet, VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from avfer.media import check_jump, frames_of, is_avi, opened, packets, picture_stream, quarter_turns, seconds

ONE_FRAME_A_PACKET = {"h264", "hevc", "mpeg1video", "mpeg2video"}  # a packet that gives none was lost without a word


@dataclass(frozen=True, eq=False)
class AvPicture:
    """A frame of PyAV, in the codec's own pixels."""

    frame: VideoFrame
    time: float  # seconds after the first frame
    corrupt: bool
    converter: VideoReformatter  # shared by the frames of a clip: it keeps its tables

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) px, as displayed."""
        height, width = self.frame.height, self.frame.width
        return (width, height) if quarter_turns(self.frame) % 2 else (height, width)

    def draw(self, into: np.ndarray) -> None:
        """Write the picture as RGB, turned upright and scaled to the place.   into: (H, W, 3) uint8

        Matrix (BT.601, 709, 2020) and range are the frame's own; without a word it is BT.601, limited range. With
        these flags FFmpeg gives decord's and torchcodec's pixels bit for bit, and converts in a quarter of the time
        of its accurate rounding.
        """
        turns = quarter_turns(self.frame)
        height, width = into.shape[1::-1] if turns % 2 else into.shape[:2]
        rgb = self.converter.reformat(
            self.frame, width, height, format="rgb24", interpolation=Interpolation.BICUBIC, threads=1
        )
        plane = rgb.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(height, plane.line_size)
        into[...] = np.rot90(rows[:, : width * 3].reshape(height, width, 3), turns)


@dataclass
class Losses:
    """Which frames come first after lost ones.

    A packet that raises is lost; so is one of a codec that makes a frame of each packet, when a frame of a later time
    comes out before its own. What the decoder conceals it flags itself (H.264, MPEG-1, -2 and -4 do; a flipped bit in
    VP9 goes unseen), and packets that are not in the file leave no trace but a longer gap between two times.
    """

    silent: bool  # packets without a frame count as lost
    sent: list[int] = field(default_factory=list[int])  # stamps of packets that gave no frame yet
    failed: list[int] = field(default_factory=list[int])  # stamps of packets that raised
    unplaced: bool = False  # a packet without a stamp raised
    newest: int | None = None  # stamp of the last frame

    def send(self, packet: Packet, raised: bool) -> None:
        """A packet went to the decoder."""
        if packet.pts is None:
            self.unplaced |= raised
        elif raised:
            self.failed.append(packet.pts)
        elif not packet.is_discard:
            self.sent.append(packet.pts)

    def precede(self, frame: VideoFrame) -> bool:
        """Whether packets between the frame before and this one were lost; they are forgotten then."""
        lost, self.unplaced = self.unplaced, False
        now = frame.pts
        if now is None:
            return lost
        lost |= any(stamp < now for stamp in self.failed)
        if self.silent and self.newest is not None and not frame.interlaced_frame:  # fields have a packet each
            lost |= any(self.newest < stamp < now for stamp in self.sent)
        self.failed = [stamp for stamp in self.failed if stamp >= now]
        self.sent = [stamp for stamp in self.sent if stamp > now]
        self.newest = now
        return lost


def pictures(path: Path) -> Iterator[AvPicture]:
    """All frames in the order the decoder gives them, decoded on one thread.

    Times are presentation stamps less the first frame's. A frame without one takes its decoding stamp; without that
    it follows the frame before it by that frame's duration (and if that is unknown, by the average rate's).
    """
    with opened(path) as container:
        stream = picture_stream(container)
        if stream is None:
            return
        converter = VideoReformatter()
        losses = Losses(stream.codec_context.name in ONE_FRAME_A_PACKET and not is_avi(stream))
        tick = float(stream.time_base or 0)
        usual = 1 / float(stream.average_rate) if stream.average_rate else 0.0
        zero: float | None = None
        following = 0.0
        for packet in packets(container, stream):
            frames = frames_of(stream, packet)
            if packet is not None:
                losses.send(packet, raised=frames is None)
            for frame in frames or ():
                now = seconds(frame, stream)
                now = following if now is None else now
                zero = now if zero is None else zero
                check_jump(path, following - zero, now - zero)
                following = now + (frame.duration * tick or usual)
                yield AvPicture(frame, now - zero, losses.precede(frame) or frame.is_corrupt, converter)
