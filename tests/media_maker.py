"""Write small media files for tests: any codec, rate, time, rotation and damage."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer

TICK = Fraction(1, 90000)
SOUND_CODECS = {".webm": "libopus", ".ogg": "libopus", ".mp3": "libmp3lame", ".ts": "mp2", ".mpg": "mp2"}
EXACT = {".wav": "pcm_f32le", ".mkv": "pcm_f32le", ".avi": "pcm_s16le", ".mov": "pcm_s16le"}  # lossless sound
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
FIXED_RATE = {"mpeg1video", "mpeg2video", "mpeg4", "mjpeg"}  # their clocks (and AVI's) are too coarse for any time
FAST = {
    "libx264": {"preset": "ultrafast", "crf": "12", "bf": "2", "g": "12"},
    "libx265": {"preset": "ultrafast", "crf": "12", "x265-params": "log-level=none:keyint=12"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "b": "4M", "g": "12"},
    "mpeg4": {"qmin": "2", "qmax": "4", "g": "12"},
    "mpeg2video": {"qmin": "2", "qmax": "4", "g": "12"},
}


def stripes(count: int = 12, height: int = 64, width: int = 96) -> np.ndarray:
    """Return frames that are all different; `number_of` decodes their number.   -> (T, H, W, 3) uint8 RGB"""
    frames = np.full((count, height, width, 3), 96, np.uint8)
    frames[:, : height // 2, :, 1] = np.linspace(30, 220, width, dtype=np.uint8)
    for number, frame in enumerate(frames):
        for bit in range(6):  # lower half: six blocks, bright where the bit is set
            block = frame[height // 2 :, bit * width // 6 : (bit + 1) * width // 6]
            block[:] = 225 if number >> bit & 1 else 30
    return frames


def number_of(frame: np.ndarray) -> int:
    """Return the number that `stripes` drew on a frame.   frame: (H, W, 3) uint8"""
    height, width = frame.shape[:2]
    rows = frame[height * 5 // 8 : height * 7 // 8].astype(float)
    blocks = [rows[:, int((bit + 0.3) * width / 6) : int((bit + 0.7) * width / 6) + 1].mean() for bit in range(6)]
    return sum(1 << bit for bit, level in enumerate(blocks) if level > 128)


def tone(seconds: float, sample_rate: int = 44100, pitch: float = 440.0, channels: int = 1) -> np.ndarray:
    """Return a sine of half the full level; channel k has 1 / (1 + k) of it.   -> (C, S) float32"""
    wave = 0.5 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * sample_rate)) / sample_rate)
    return np.stack([wave / (1 + channel) for channel in range(channels)]).astype(np.float32)


def write_clip(
    path: Path,
    frames: np.ndarray | None = None,
    fps: int = 25,
    sound: np.ndarray | None = None,
    *,
    times: Sequence[float] | np.ndarray | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rotation: int = 0,
    options: dict[str, str] | None = None,
    sample_rate: int = 44100,
    sound_start: float = 0.0,
    sound_codec: str | None = None,
    more_frames: Sequence[np.ndarray] = (),
) -> Path:
    """Write a media file with frames, sound or both; the suffix chooses the container.

    frames: (T, H, W, 3) uint8 RGB; times: (T,) s instead of `fps`; sound: (S,) or (C, S) float32 in [-1, 1];
    rotation: degrees counter-clockwise that a player must turn; more_frames: further video streams.
    """
    with av.open(str(path), "w") as container:
        videos = [pictures for pictures in (frames, *more_frames) if pictures is not None]
        streams = [_video_stream(container, pictures, fps, codec, pix_fmt, rotation, options) for pictures in videos]
        voice = (
            None if sound is None else _sound_stream(container, path, np.atleast_2d(sound), sample_rate, sound_codec)
        )
        for stream, pictures in zip(streams, videos, strict=True):
            stamps = np.arange(len(pictures)) / fps if times is None else times
            for picture, time in zip(pictures, stamps, strict=True):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
                frame.pts, frame.time_base = round(time / TICK), TICK
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        if voice is not None and sound is not None:
            _encode_sound(container, voice, np.atleast_2d(sound).astype(np.float32), sample_rate, sound_start)
    return path


def _video_stream(
    container: OutputContainer,
    pictures: np.ndarray,
    fps: int,
    codec: str,
    pix_fmt: str,
    rotation: int,
    options: dict[str, str] | None,
) -> av.VideoStream:
    stream = container.add_stream(codec, rate=fps)
    stream.height, stream.width = pictures.shape[1:3]
    stream.pix_fmt = pix_fmt
    stream.codec_context.thread_count = 1
    stream.codec_context.time_base = Fraction(1, fps) if codec in FIXED_RATE or container.format.name == "avi" else TICK
    stream.codec_context.options = FAST.get(codec, {}) if options is None else options
    if rotation:
        stream.set_display_rotation(rotation)
    return stream


def _sound_stream(
    container: OutputContainer, path: Path, sound: np.ndarray, sample_rate: int, codec: str | None
) -> av.AudioStream:
    codec = codec or SOUND_CODECS.get(path.suffix) or EXACT.get(path.suffix) or "aac"
    stream = container.add_stream(codec, rate=sample_rate)
    stream.layout = LAYOUTS[len(sound)]
    return stream


def _encode_sound(
    container: OutputContainer, stream: av.AudioStream, sound: np.ndarray, sample_rate: int, start: float
) -> None:
    step = 1024
    for at in range(0, sound.shape[1], step):
        block = np.ascontiguousarray(sound[:, at : at + step])
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=LAYOUTS[len(sound)])
        frame.sample_rate, frame.time_base = sample_rate, Fraction(1, sample_rate)
        frame.pts = at + round(start * sample_rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def rewrite(source: Path, path: Path, edit: Callable[[int, bytes], bytes | None], kind: str = "video") -> Path:
    """Copy a file packet by packet; `edit(number, data)` returns changed data for those of one kind, None drops it."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        copies = {s.index: new.add_stream_from_template(s) for s in old.streams if s.type in ("video", "audio")}
        number = -1
        for packet in old.demux([s for s in old.streams if s.index in copies]):
            if not packet.size:
                continue
            stream = packet.stream
            if stream.type == kind:
                number += 1
                packet = _edited(packet, edit(number, bytes(packet)))
            if packet is not None:
                packet.stream = copies[stream.index]
                new.mux(packet)
    return path


def _edited(packet: av.Packet, data: bytes | None) -> av.Packet | None:
    if data is None:
        return None
    copy = av.Packet(data)
    copy.pts, copy.dts, copy.duration, copy.time_base = packet.pts, packet.dts, packet.duration, packet.time_base
    copy.is_keyframe = packet.is_keyframe
    return copy


def spoil(*numbers: int) -> Callable[[int, bytes], bytes]:
    """Return an edit for `rewrite` that overwrites these packets with 0xFF."""
    return lambda number, data: b"\xff" * len(data) if number in numbers else data


def flip(*numbers: int) -> Callable[[int, bytes], bytes]:
    """Return an edit for `rewrite` that flips bits in the middle of these packets."""

    def edit(number: int, data: bytes) -> bytes:
        if number not in numbers:
            return data
        third = len(data) // 3
        return data[:third] + bytes(byte ^ 0x5A for byte in data[third : third + 40]) + data[third + 40 :]

    return edit


def leave_out(*numbers: int) -> Callable[[int, bytes], bytes | None]:
    """Return an edit for `rewrite` that drops these packets."""
    return lambda number, data: None if number in numbers else data


def cut_off(source: Path, path: Path, part: float) -> Path:
    """Write the first part (0 to 1) of a file's bytes, as after a full disk, and return the path."""
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    return path
