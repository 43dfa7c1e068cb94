"""What a media file holds, and clear errors for files that hold nothing to read."""

import errno
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeVar, overload

import av
from av import AudioFrame, AudioStream, Packet, VideoFrame, VideoStream
from av.codec.context import ThreadType
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition

from avfer.errors import MediaError

S = TypeVar("S", VideoStream, AudioStream)
LONGEST_GAP = 86400.0  # seconds between two frames beyond which time stamps are taken for damaged


@dataclass(frozen=True)
class VideoFacts:
    """The picture of a file, as its first frame shows it."""

    index: int  # of the stream in the container
    codec: str
    width: int  # px, as displayed: after the rotation
    height: int  # px, as displayed
    rotation: int  # degrees counter-clockwise by which a frame is turned for display: 0, 90, 180 or 270
    pix_fmt: str
    fps: float | None  # average rate; every frame keeps its own time whatever this says
    time_base: Fraction  # seconds per tick of the stream's time stamps
    first_s: float  # s on the container's axis, time stamp of the first frame: zero of avfer's axis


@dataclass(frozen=True)
class AudioFacts:
    """The sound of a file."""

    index: int  # of the stream in the container
    codec: str
    sample_rate: int  # Hz
    channels: int
    start: float | None  # s on the container's axis


@dataclass(frozen=True)
class Media:
    """The facts of one file."""

    path: Path
    container: str  # FFmpeg's name of the format
    start_s: float  # s, where the container's own axis begins
    duration: float | None  # s, as the container states it; None where it does not
    video: VideoFacts | None
    audio: AudioFacts | None

    def facts(self) -> dict[str, str | int | float | bool | None]:
        """All of it as plain values: `{"container": ..., "start_s": ..., "video_codec": ..., "audio_codec": ...}`."""
        found: dict[str, str | int | float | bool | None] = {}
        for name, value in asdict(self).items():
            if isinstance(value, dict):
                found |= {f"{name}_{key}": str(v) if isinstance(v, Fraction) else v for key, v in value.items()}
            elif name != "path":
                found[name] = value
        return found


def probe(path: Path | str) -> Media:
    """The facts of a file; MediaError when it cannot be read, or holds neither picture nor sound.

    One frame is decoded, because the rotation and the time of the first frame stand in no header.
    """
    path = Path(path)
    with opened(path) as container:
        picture, sound = picture_stream(container), sound_stream(container)
        video = _video_facts(path, container, picture) if picture else None
        if video is None and sound is None:
            raise MediaError(f"'{path}' holds neither picture nor sound ({container.format.name}); give another file")
        return Media(
            path=path,
            container=container.format.name,
            start_s=(container.start_time or 0) / av.time_base,
            duration=container.duration / av.time_base if container.duration else None,
            video=video,
            audio=_audio_facts(sound) if sound else None,
        )


def _video_facts(path: Path, container: InputContainer, stream: VideoStream) -> VideoFacts | None:
    """None where the stream has no packet at all (a camera that never gave a picture)."""
    seen = 0
    for packet in packets(container, stream):
        seen += packet is not None
        for frame in frames_of(stream, packet) or ():
            turn = quarter_turns(frame)
            width, height = (frame.height, frame.width) if turn % 2 else (frame.width, frame.height)
            return VideoFacts(
                index=stream.index,
                codec=stream.codec_context.name,
                width=width,
                height=height,
                rotation=turn * 90,
                pix_fmt=frame.format.name,
                fps=float(stream.average_rate) if stream.average_rate else None,
                time_base=stream.time_base or Fraction(1, av.time_base),
                first_s=seconds(frame, stream) or 0.0,
            )
    if seen:
        raise MediaError(f"no frame of '{path}' can be decoded ({stream.codec_context.name}); the file is damaged")
    return None


def _audio_facts(stream: AudioStream) -> AudioFacts:
    start = None if stream.start_time is None or not stream.time_base else float(stream.start_time * stream.time_base)
    context = stream.codec_context
    return AudioFacts(stream.index, context.name, context.sample_rate, context.channels, start)


@contextmanager
def opened(path: Path) -> Generator[InputContainer]:
    """The file's container, closed at the end; MediaError when it cannot be read."""
    container = open_media(path)
    try:
        yield container
    finally:
        container.close()


def open_media(path: Path) -> InputContainer:
    """The file's container; MediaError when it cannot be read."""
    try:
        if not path.exists():
            raise MediaError(f"'{path}' does not exist; check the path")
        if path.is_dir():
            raise MediaError(f"'{path}' is a folder, not a media file; give a file in it")
        if path.is_file() and not path.stat().st_size:
            raise MediaError(f"'{path}' is empty (0 bytes); copy or record it again")
        return av.open(f"file:{path}", metadata_errors="replace")
    except (FFmpegError, OSError, ValueError) as error:
        raise MediaError(f"'{path}' cannot be read: {_reason(path, error)}") from error


def _reason(path: Path, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number in (errno.EACCES, errno.EPERM):
        return "no permission; change the permissions of the file and its folder"
    if isinstance(error, OSError) and not isinstance(error, FFmpegError):
        return f"{error.strerror}; check the path and the disk"
    with path.open("rb") as file:
        head = file.read(4096)
    if b"ftyp" in head[:12]:
        return "its index (moov) is missing, the file was cut off before its end; copy or record it again"
    if b"\0" not in head:
        return "it is a text, not a media file; give a video or a sound file"
    return "it is damaged, or no media file; copy or convert it again"


def picture_stream(container: InputContainer) -> VideoStream | None:
    """The stream of pictures that is read, on one thread: the first default one, else the first.

    Cover art is no picture.
    """
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    default = [s for s in streams if s.disposition & Disposition.default]
    for stream in default + streams:
        if stream.codec_context is None:  # pyright: ignore[reportUnnecessaryComparison]
            raise MediaError(f"no decoder for the picture of '{container.name}'; convert it to H.264")
        return _on_one_thread(stream)
    return None


def sound_stream(container: InputContainer) -> AudioStream | None:
    """The stream of sound that is read, on one thread: the first one that has a decoder."""
    for stream in container.streams.audio:
        if stream.codec_context is not None:  # pyright: ignore[reportUnnecessaryComparison]
            return _on_one_thread(stream)
    return None


def _on_one_thread(stream: S) -> S:
    stream.codec_context.thread_count = 1
    stream.codec_context.thread_type = ThreadType.NONE
    return stream


def packets(container: InputContainer, *streams: VideoStream | AudioStream) -> Iterator[Packet | None]:
    """The packets of some streams up to the end, which is None; damage is stepped over, a damaged end is an end."""
    failures = 0
    while failures < 100:
        try:
            for packet in container.demux(*streams):
                if packet.size:
                    failures = 0
                    yield packet
            break
        except FFmpegError:
            failures += 1
    yield None


@overload
def frames_of(stream: VideoStream, packet: Packet | None) -> list[VideoFrame] | None: ...
@overload
def frames_of(stream: AudioStream, packet: Packet | None) -> list[AudioFrame] | None: ...
def frames_of(stream: VideoStream | AudioStream, packet: Packet | None) -> Sequence[VideoFrame | AudioFrame] | None:
    """The frames that a packet completes (None: the ones still held back); None where it is damaged."""
    try:
        return stream.decode(packet)
    except BlockingIOError:  # damage has clogged the decoder: it takes nothing more before it is emptied
        rest = _attempt(stream, None) or []
        stream.codec_context.flush_buffers()
        return [*rest, *(_attempt(stream, packet) or [])] or None
    except FFmpegError:
        return None


def _attempt(stream: VideoStream | AudioStream, packet: Packet | None) -> Sequence[VideoFrame | AudioFrame] | None:
    try:
        return stream.decode(packet)
    except FFmpegError:
        return None


def seconds(unit: Packet | VideoFrame | AudioFrame, stream: VideoStream | AudioStream) -> float | None:
    """Seconds on the container's axis: the presentation stamp, without one the decoding stamp, else None.

    Pictures of an AVI go by the decoding stamp: no other is in the file, and what is guessed from it goes astray.
    """
    ticks = unit.dts if unit.pts is None or (isinstance(unit, VideoFrame) and is_avi(stream)) else unit.pts
    if ticks is None or stream.time_base is None:  # the stream's, as frames given at the end know none
        return None
    return float(ticks * stream.time_base)


def is_avi(stream: VideoStream | AudioStream) -> bool:
    """Whether the file keeps no presentation stamps."""
    return stream.container.format.name == "avi"


def check_jump(path: Path, expected: float, found: float) -> None:
    """MediaError where time stamps leap so far ahead that they must be wrong."""
    if found - expected > LONGEST_GAP:
        raise MediaError(
            f"the time stamps of '{path}' jump from {expected:.1f} s to {found:.1f} s, so they are damaged; write it "
            "anew, for instance with ffmpeg -i FILE NEW.mp4"
        )


def quarter_turns(frame: VideoFrame) -> int:
    """Quarters of a turn, counter-clockwise, that show the frame as its display matrix asks."""
    return round(frame.rotation / 90) % 4
