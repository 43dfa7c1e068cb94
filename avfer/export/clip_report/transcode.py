"""A copy of a video that every browser plays: H.264 and AAC in an MP4."""

import math
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av import VideoFrame
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError

from avfer.atomic import atomic_write
from avfer.container import decode_packet, open_container, orientation, read_packets, time_of, upright, video_stream
from avfer.errors import OutputError
from avfer.export.clip_report.frame_picture import LONGEST
from avfer.export.overlay_audio import TICK, OverlayPart, add_audio
from avfer.media import Media

OPTIONS = {"preset": "veryfast", "crf": "23"}


def transcode(media: Media, path: Path) -> float:
    """Write a clip as MP4; every frame keeps its time, and the sound its position.

    The pictures are turned upright and have at most LONGEST pixels on a side.
    Returns the time (s) of the first frame in the new file, which is not 0 if the sound begins before it.
    Raises MediaError if the clip cannot be read, OutputError if the file cannot be written.
    """
    begin = media.audio.start if media.audio else None
    zero = media.video.first_s if media.video else begin or 0.0
    part = OverlayPart(-math.inf, math.inf, zero, max(0.0, zero - begin) if begin is not None else 0.0)
    with atomic_write(path) as new, open_container(media.path) as source, open_container(media.path) as sound:
        try:
            with av.open(str(new), "w", format="mp4", options={"movflags": "faststart"}) as target:
                _write(media, source, sound, target, part)
        except FFmpegError as error:
            raise OutputError(f"{path} cannot be written: {error}") from error
    return part.shift


def _write(
    media: Media, source: InputContainer, sound: InputContainer, target: OutputContainer, part: OverlayPart
) -> None:
    """Encode all frames, and the sound up to a second ahead of each of them."""
    audio = add_audio(media, sound, target, part)
    stream, last = None, -1
    for time, frame in _frames(source):
        picture = _upright(frame)
        if stream is None:
            stream = target.add_stream("libx264", rate=25, options=OPTIONS)
            stream.width, stream.height = _size(picture)
            stream.pix_fmt, stream.codec_context.time_base = "yuv420p", TICK
        picture = picture.reformat(stream.width, stream.height, "yuv420p")
        last = max(last + 1, round((time + part.offset) / TICK))
        picture.pts, picture.time_base = last, TICK
        target.mux(stream.encode(picture))
        if audio is not None:
            audio.mux_until(time + part.offset + 1.0)
    if stream is not None:
        target.mux(stream.encode())
    if audio is not None:
        audio.mux_until(math.inf)


def _frames(source: InputContainer) -> Iterator[tuple[float, VideoFrame]]:
    """Yield time (s on the container's axis) and frame of the video."""
    stream = video_stream(source)
    if stream is None:
        return
    for packet in read_packets(source, stream):
        for frame in decode_packet(stream, packet) or ():
            if (time := time_of(frame, stream)) is not None:
                yield time, frame


def _upright(frame: VideoFrame) -> VideoFrame:
    """Return a frame as it is displayed; one that is neither turned nor mirrored is returned unchanged."""
    if orientation(frame) == (0, False):
        return frame
    pixels = upright(frame.to_ndarray(format="rgb24"), frame)
    return VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")


def _size(frame: VideoFrame) -> tuple[int, int]:
    """Return width and height (px) of a picture scaled to LONGEST, both even, as 4:2:0 sampling needs."""
    factor = min(1.0, LONGEST / max(frame.width, frame.height))
    return max(2, round(frame.width * factor / 2) * 2), max(2, round(frame.height * factor / 2) * 2)
