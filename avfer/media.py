"""The facts of a media file: its container, its video and its sound."""

from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
from av import AudioStream, VideoStream
from av.container import InputContainer

from avfer.container import (
    audio_stream,
    decode_packet,
    open_container,
    orientation,
    read_packets,
    time_of,
    video_stream,
)
from avfer.errors import MediaError
from avfer.picture_files import find_pictures, is_sequence, warn_of_videos

MAX_TRIED = 100  # pictures at the start of a sequence that are tried until one can be decoded


@dataclass(frozen=True)
class VideoFacts:
    """The video stream of a file, as its first frame shows it."""

    index: int  # of the stream in the container
    codec: str  # FFmpeg's name: "h264"
    width: int  # px, as displayed: after the rotation
    height: int  # px, as displayed
    rotation: int  # degrees counter-clockwise by which a frame is turned for display: 0, 90, 180 or 270
    pix_fmt: str  # FFmpeg's name: "yuv420p"
    fps: float | None  # average rate; the time of each frame does not depend on it
    time_base: Fraction  # seconds per tick of the stream's time stamps
    first_s: float  # s on the container's axis, time of the first frame: zero of avfer's axis
    mirrored: bool = False  # whether a frame is mirrored left to right for display, before it is turned


@dataclass(frozen=True)
class AudioFacts:
    """The audio stream of a file."""

    index: int  # of the stream in the container
    codec: str  # FFmpeg's name: "aac"
    sample_rate: int  # Hz
    channels: int  # number of them
    start: float | None  # s on the container's axis


@dataclass(frozen=True)
class Media:
    """The facts of one file."""

    path: Path  # of the file
    container: str  # FFmpeg's name of the format
    start_s: float  # s, where the container's own axis begins
    duration: float | None  # s, as the container states it; None if it does not
    video: VideoFacts | None  # None without a video stream
    audio: AudioFacts | None  # None without an audio stream

    def facts(self) -> dict[str, str | int | float | bool | None]:
        """Return all facts but the path as a flat mapping.

        `{"container": ..., "start_s": ..., "video_codec": ..., "audio_codec": ...}`; a missing stream is
        `"video": None` or `"audio": None`.
        """
        found: dict[str, str | int | float | bool | None] = {}
        for name, value in asdict(self).items():
            if isinstance(value, dict):
                found |= {f"{name}_{key}": str(v) if isinstance(v, Fraction) else v for key, v in value.items()}
            elif name != "path":
                found[name] = value
        return found


def probe(path: Path | str) -> Media:
    """Return the facts of a file or a sequence of pictures.

    Raises MediaError if it cannot be read, or has neither video nor sound.

    One frame is decoded, because no header states the rotation and the time of the first frame.
    """
    path = Path(path)
    if is_sequence(path):
        return _probe_sequence(path)
    with open_container(path) as container:
        pictures, sound = video_stream(container), audio_stream(container)
        video = _video_facts(path, container, pictures) if pictures else None
        if video is None and sound is None:
            raise MediaError(f"'{path}' has neither video nor sound ({container.format.name}); give another file")
        return Media(
            path=path,
            container=container.format.name,
            start_s=(container.start_time or 0) / av.time_base,
            duration=container.duration / av.time_base if container.duration else None,
            video=video,
            audio=_audio_facts(sound) if sound else None,
        )


def _probe_sequence(path: Path) -> Media:
    """Return the facts of a sequence of pictures; its rate and duration are None, because no file states them."""
    pictures = find_pictures(path)
    warn_of_videos(path, len(pictures))
    for picture in pictures[:MAX_TRIED]:
        with suppress(MediaError):
            video = probe(picture).video
            if video is not None:
                video = replace(video, fps=None, time_base=Fraction(1), first_s=0.0)
                return Media(path, "picture sequence", 0.0, None, video, None)
    raise MediaError(f"none of the first {MAX_TRIED} pictures of '{path}' can be decoded; they are damaged")


def _video_facts(path: Path, container: InputContainer, stream: VideoStream) -> VideoFacts | None:
    """Return the facts of the video; None if the stream has no packet, as from a camera that gave no frame."""
    packets = 0
    for packet in read_packets(container, stream):
        packets += packet is not None
        for frame in decode_packet(stream, packet) or ():
            turns, mirrored = orientation(frame)
            width, height = (frame.height, frame.width) if turns % 2 else (frame.width, frame.height)
            return VideoFacts(
                index=stream.index,
                codec=stream.codec_context.name,
                width=width,
                height=height,
                rotation=turns * 90,
                pix_fmt=frame.format.name,
                fps=float(stream.average_rate) if stream.average_rate else None,
                time_base=stream.time_base or Fraction(1, av.time_base),
                first_s=time_of(frame, stream) or 0.0,
                mirrored=mirrored,
            )
    if packets:
        raise MediaError(f"no frame of '{path}' can be decoded ({stream.codec_context.name}); the file is damaged")
    return None


def _audio_facts(stream: AudioStream) -> AudioFacts:
    start = None if stream.start_time is None or not stream.time_base else float(stream.start_time * stream.time_base)
    context = stream.codec_context
    return AudioFacts(stream.index, context.name, context.sample_rate, context.channels, start)
