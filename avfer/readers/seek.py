"""Frames by PyAV from a given time on: by a seek where that provably changes no frame, else by decoding all of them.

A frame's number is the number of frames before it. It is known without decoding them if each packet makes one frame, so
the packets before the wanted time are read (not decoded) and counted. Frames after a seek equal those of a whole run if
the decoder begins at a key frame and needs nothing before it. Both are assumed for the formats and codecs listed here,
and checked on the frames of at least one group of pictures between the key frame and the wanted time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from av import Packet

from avfer.container import INDEXED_FORMATS, open_container, read_packets, video_stream
from avfer.media import VideoFacts, probe
from avfer.readers.pyav import AvPicture, decode_all

MIN_START = 5.0  # s; before that a seek saves nothing
CODECS = {"h264", "hevc", "vp8", "vp9", "av1", "libdav1d", "mjpeg"}  # one frame for each packet that is shown


@dataclass(frozen=True)
class KeyFrame:
    """A key frame to seek to."""

    number: int  # index of the frame in the file
    stamps: tuple[int, ...]  # ticks: time stamps of this frame and those after it that come before the wanted time


def pictures(path: Path, start: float = 0.0) -> Iterator[AvPicture]:
    """Yield all frames from `start` seconds on in the decoder's order, decoded on one thread.

    Raises MediaError if the file cannot be opened or its time stamps are damaged.
    """
    video = probe(path).video if start >= MIN_START else None
    key = find_key_frame(path, video, start) if video else None
    if key is not None and video is not None:
        with open_container(path) as container:
            container.seek(key.stamps[0], stream=video_stream(container))
            found = decode_all(path, container, video.first_s, key.number)
            first = _first_from(found, key, start)
            if first is not None:
                yield first
                yield from found
                return
    with open_container(path) as container:
        yield from (picture for picture in decode_all(path, container) if picture.time >= start)


def find_key_frame(path: Path, video: VideoFacts, start: float) -> KeyFrame | None:
    """Return the last but one key frame before `start` seconds, None if the frames before it cannot be counted."""
    if video.codec not in CODECS:
        return None
    with open_container(path) as container:
        stream = video_stream(container)
        if stream is None or container.format.name not in INDEXED_FORMATS:
            return None
        shown: list[int] = []  # time stamps of the packets before `start`
        keys: list[int] = []
        for packet in read_packets(container, stream):
            if packet is None:
                break
            if packet.pts is None or packet.is_corrupt or (video.codec == "vp8" and is_hidden(packet)):
                return None
            if packet.dts is not None and float(packet.dts * video.time_base) - video.first_s >= start:
                break  # packets come in the order of dts, and no dts is later than its pts
            if not packet.is_discard and float(packet.pts * video.time_base) - video.first_s < start:
                shown.append(packet.pts)
                keys += [packet.pts] * packet.is_keyframe
    shown.sort()
    if len(keys) < 3 or len(set(shown)) != len(shown) or keys[0] != shown[0]:
        return None
    if float(shown[0] * video.time_base) != video.first_s:
        return None
    number = shown.index(keys[-2])
    return KeyFrame(number, tuple(shown[number:]))


def is_hidden(packet: Packet) -> bool:
    """Return whether a packet of VP8 holds a frame that is a reference for others and never displayed."""
    return not bytes(packet)[0] & 0x10  # show_frame of the frame header, RFC 6386, section 9.1


def _first_from(found: Iterator[AvPicture], key: KeyFrame, start: float) -> AvPicture | None:
    """Return the first frame from `start` seconds on; None unless exactly the expected frames came before it, whole."""
    stamps: list[int | None] = []
    for picture in found:
        if picture.corrupt or picture.frame.interlaced_frame:
            return None
        if picture.time >= start:
            return picture if tuple(stamps) == key.stamps else None
        stamps.append(picture.frame.pts)
    return None
