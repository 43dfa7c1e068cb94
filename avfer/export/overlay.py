"""The clip with the results drawn on it, as an MP4: a second pass over the frames, in bounded memory."""

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.stream import Stream

from avfer.errors import ConfigError, OutputError
from avfer.export.drawing import draw, rows_by_frame
from avfer.export.files import whole_file
from avfer.media import Media, frames_of, opened, packets, probe, seconds, sound_stream
from avfer.stages.decode import DecodeVideo
from avfer.types import Clip, Span

TICK = Fraction(1, 90_000)  # s, fine enough for the times of any camera
COPIED = {"aac", "mp3", "ac3"}  # sounds that an MP4 takes as they are; others become AAC
HELD = 48_000_000  # bytes of pictures at once
Sounding = Iterator[tuple[float, av.Packet]]  # packets to be muxed, with their times on the axis of the pictures


def write_overlay(clip: Path, table: pa.Table, path: Path) -> Path:
    """Draw a table on its clip; it appears whole or not at all. ConfigError where the clip has no pictures."""
    media = probe(clip)
    if media.video is None:
        raise ConfigError(f"'{clip}' has no pictures to draw on; leave out --overlay")
    try:
        # The file is opened here, as PyAV leaves its own open where the disk is full.
        with (
            whole_file(path) as part,
            part.open("wb", buffering=0) as file,
            opened(clip) as source,
            av.open(file, "w", format="mp4") as target,
        ):
            _write(media, source, target, table)
    except FFmpegError as error:
        raise OutputError(f"{path} cannot be written: {error}") from error
    return path


def _write(media: Media, source: InputContainer, target: OutputContainer, table: pa.Table) -> None:
    rows = rows_by_frame(table)
    video, sound, shift = None, None, 0.0
    last = -1
    for index, time, picture in _pictures(media):
        if video is None:
            shift, sound = _sound(media, source, target)
            video = _video(target, media, picture)
        frame = av.VideoFrame.from_ndarray(_even(draw(picture, rows.get(index, []))), format="rgb24")
        last = max(last + 1, round((time + shift) / TICK))
        frame.pts, frame.time_base = last, TICK
        target.mux(video.encode(frame))
        if sound is not None:
            sound.mux_until(time + 1.0)
    if video is not None:
        target.mux(video.encode())
    if sound is not None:
        sound.mux_until(float("inf"))


def _pictures(media: Media) -> Iterator[tuple[int, float, np.ndarray]]:
    """Index, time and pixels of every frame, as the pipeline saw them."""
    assert media.video is not None
    rate = media.video.width * media.video.height * 3 * max(media.video.fps or 0.0, 25.0)
    length = min(1.0, HELD / rate)
    stage, clip, count, last = DecodeVideo(), Clip(media.path), 0, False
    state = stage.start()
    while not last:
        state, frames = stage.step(state, Span(clip, count * length, (count + 1) * length))
        for offset, time in enumerate(frames.clock.times):
            yield frames.clock.first + offset, float(time), frames.pixels[offset].cpu().numpy()
        count, last = count + 1, frames.clock.last


def _video(target: OutputContainer, media: Media, picture: np.ndarray) -> av.VideoStream:
    rate = Fraction(media.video.fps if media.video and media.video.fps else 25.0).limit_denominator(1001)
    try:
        stream = target.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "20"})
    except (FFmpegError, ValueError):  # an FFmpeg without x264
        stream = target.add_stream("mpeg4", rate=rate, options={"qscale": "3"})
    height, width, _ = _even(picture).shape
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.codec_context.time_base = TICK
    return stream


def _even(picture: np.ndarray) -> np.ndarray:
    """With an even width and height, as 4:2:0 wants: the last column or row stands twice."""
    height, width, _ = picture.shape
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


class _Sound:
    """The clip's sound beside the new pictures, given as the pictures advance."""

    def __init__(self, target: OutputContainer, parts: Sounding) -> None:
        self._target, self._parts, self._next = target, parts, next(parts, None)

    def mux_until(self, time: float) -> None:
        while self._next is not None and self._next[0] < time:
            self._target.mux(self._next[1])
            self._next = next(self._parts, None)


def _sound(media: Media, source: InputContainer, target: OutputContainer) -> tuple[float, _Sound | None]:
    """Seconds to shift everything by, as no time may be negative, and the sound."""
    stream = sound_stream(source)
    if stream is None or media.video is None or media.audio is None:
        return 0.0, None
    zero = media.video.first_s
    shift = max(0.0, zero - (media.audio.start if media.audio.start is not None else zero))
    offset = shift - zero
    if stream.codec_context.name in COPIED:
        copy = target.add_stream_from_template(stream)
        return shift, _Sound(target, _copied(source, stream, copy, offset))
    rate, layout = media.audio.sample_rate or 48_000, "mono" if media.audio.channels == 1 else "stereo"
    encoder = target.add_stream("aac", rate=rate, layout=layout)
    return shift, _Sound(target, _encoded(source, stream, encoder, offset))


def _copied(source: InputContainer, stream: av.AudioStream, copy: Stream, offset: float) -> Sounding:
    for packet in packets(source, stream):
        if packet is None or packet.pts is None or packet.dts is None or stream.time_base is None:
            continue
        time = (seconds(packet, stream) or 0.0) + offset
        ticks = round(offset / stream.time_base)
        packet.pts, packet.dts, packet.stream = packet.pts + ticks, packet.dts + ticks, copy
        yield time, packet


def _encoded(source: InputContainer, stream: av.AudioStream, encoder: av.AudioStream, offset: float) -> Sounding:
    """As AAC; holes in the sound's time stamps are kept by its frames' own times."""
    resampler = av.AudioResampler(format="fltp", layout=encoder.layout, rate=encoder.rate, frame_size=1024)
    time = 0.0
    for packet in packets(source, stream):
        for frame in frames_of(stream, packet) or ():
            if frame.pts is not None and stream.time_base is not None:
                frame.time_base = stream.time_base
                frame.pts += round(offset / stream.time_base)
            with suppress(FFmpegError):
                for part in resampler.resample(frame):
                    for out in encoder.encode(part):
                        time = float(out.pts * out.time_base) if out.pts is not None else time
                        yield time, out
    for part in [*resampler.resample(None), None]:
        for out in encoder.encode(part):
            yield time, out
