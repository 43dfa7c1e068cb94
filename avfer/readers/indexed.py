"""Frames by decord and torchcodec, which fetch frames by number; the times come from PyAV's packets.

Both return PyAV's pixels bit for bit on 8-bit video. Files that they would misread are refused with a MediaError, and
so are files whose frames they count or time differently. They conceal damage inside a frame without notice, so these
readers mark no frame as corrupt.
"""

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from av import VideoFormat
from av.stream import Disposition

from avfer.container import open_container, read_packets, video_stream
from avfer.errors import AvferError, MediaError, MissingExtra, counted
from avfer.media import probe
from avfer.readers.picture import ArrayPicture
from avfer.readers.pyav import decode_all
from avfer.readers.seek import is_hidden

FETCH = 8  # frames fetched at once at most
FETCH_BYTES = 24_000_000  # of their pixels at most, but at least one frame
UNINDEXED = {"mpeg", "mpegts", "mpegvideo", "image2"}  # formats whose frames by number are wrong
LOG_PLACE = re.compile(r"^\[[\d:]+\] \S+:\d+: ")  # time and line of source code with which errors of decord begin
Fetch = Callable[[list[int]], np.ndarray]  # numbers of consecutive frames -> (N, H, W, 3) uint8 RGB


def decord(path: Path, start: float = 0.0) -> Iterator[ArrayPicture]:
    """Yield all frames from `start` seconds on by decord, without those that the container hides.

    All frames are decoded: after a seek decord gives the wrong ones where pictures are refreshed bit by bit.
    Raises MissingExtra if decord is not installed, MediaError if it would misread the file.
    """
    try:
        import decord as library
    except ImportError as error:
        raise MissingExtra("reader 'decord'", "decord", "decord") from error
    library.logging.set_level(library.logging.FATAL)
    with _refusing(path, "decord"):
        times, shown = _index(path, max_bits=8)
        if not shown[: shown.sum()].all():  # decord miscounts if hidden frames come before others
            raise MediaError("the container hides frames before others")
        video = library.VideoReader(str(path), num_threads=1)
        _compare(times, video.get_frame_timestamp(range(len(video)))[:, 0])
        numbers, times = np.flatnonzero(shown), times[shown]
        _compare_first(path, video[0].asnumpy())
        found = _pictures(numbers, times, 0.0, lambda batch: video.get_batch(batch).asnumpy())
        yield from (picture for picture in found if picture.time >= start)


def torchcodec(path: Path, start: float = 0.0) -> Iterator[ArrayPicture]:
    """Yield all frames from `start` seconds on by torchcodec, whose times are compared with those of the container.

    Raises MissingExtra if torchcodec or FFmpeg is not installed, MediaError if it would misread the file.
    """
    try:
        from torchcodec.decoders import VideoDecoder  # pyright: ignore[reportMissingImports]
    except (ImportError, RuntimeError) as error:  # RuntimeError: FFmpeg's libraries are missing
        raise MissingExtra("reader 'torchcodec'", "torchcodec and FFmpeg's shared libraries", "torchcodec") from error
    with _refusing(path, "torchcodec"):
        times, shown = _index(path, max_bits=16)
        times = times[shown]
        with open_container(path) as container:
            stream = video_stream(container)
            number = stream.index if stream else None
        video = VideoDecoder(str(path), stream_index=number, dimension_order="NHWC", num_ffmpeg_threads=1)

        def fetch(numbers: list[int]) -> np.ndarray:
            batch = video.get_frames_in_range(numbers[0], numbers[-1] + 1)
            _compare(times[numbers], batch.pts_seconds.numpy())
            return batch.data.numpy()

        if len(video) != len(times):
            raise MediaError(f"it counts {counted(len(video), 'frame')}, the container {len(times)}")
        yield from _pictures(np.arange(len(video)), times, start, fetch)


@contextmanager
def _refusing(path: Path, reader: str) -> Generator[None]:
    """Turn any failure of a library into a MediaError that names the way out."""
    try:
        yield
    except Exception as error:
        reason = str(error) if isinstance(error, AvferError) else str(error).strip().partition("\n")[0]
        reason = LOG_PLACE.sub("", reason)
        raise MediaError(f"reader '{reader}' cannot read '{path}' correctly: {reason}; use reader 'pyav'") from error


def _index(path: Path, max_bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the times of all frames in order, on the container's axis, and which frames are displayed.

    -> (N,) float64 s, (N,) bool. Raises MediaError if a library that fetches frames by number would misread the file.
    """
    media = probe(path)
    if media.video is None:
        raise MediaError("it has no video")
    if media.container in UNINDEXED:
        raise MediaError(f"a file of the format {media.container} has no index of frames")
    if (bits := max(part.bits for part in VideoFormat(media.video.pix_fmt).components)) > max_bits:
        raise MediaError(f"its pixels have {bits} bits")
    if media.video.mirrored:
        raise MediaError("its pictures are mirrored for display")
    frames: list[tuple[float, bool]] = []
    with open_container(path) as container:
        stream = video_stream(container)
        for packet in read_packets(container, stream) if stream else ():
            if packet is None:
                break
            if packet.pts is None or packet.is_corrupt:
                raise MediaError("a frame is damaged" if packet.is_corrupt else "a frame has no time stamp of its own")
            if media.video.codec == "vp8" and is_hidden(packet):
                raise MediaError("it has packets without a frame")
            frames.append((float(packet.pts * packet.time_base), not packet.is_discard))
    frames.sort()
    times, shown = np.array([t for t, _ in frames]), np.array([s for _, s in frames])
    if not shown.any() or times[shown][0] != media.video.first_s:
        raise MediaError("its first frame is lost or has no reliable time stamp")
    return times, shown


def _compare(expected: np.ndarray, found: np.ndarray) -> None:
    """Raise MediaError if a library counts or times frames differently from the container.   both: (N,) s"""
    if len(expected) != len(found):
        raise MediaError(f"it counts {counted(len(found), 'frame')}, the container {len(expected)}")
    late = np.abs((found - found[0]) - (expected - expected[0]))
    if (late > 1e-3 + 1e-6 * np.abs(expected)).any():  # decord's times are float32
        raise MediaError(f"it puts a frame {late.max():.3f} s away from its time")


def _compare_first(path: Path, found: np.ndarray) -> None:
    """Raise MediaError if decord reads another stream or other colours than PyAV.   found: (H, W, 3), its first frame

    It ignores which stream is the default one, and it converts the colours of interlaced frames, of rare pixel formats
    and of odd heights differently.
    """
    with open_container(path) as container:
        if sum(not stream.disposition & Disposition.attached_pic for stream in container.streams.video) > 1:
            raise MediaError("it has several video streams")
        first = next(decode_all(path, container))
    if first.frame.interlaced_frame:
        raise MediaError("its frames are interlaced")
    if not np.array_equal(first.rgb(first.size), found):
        raise MediaError(f"it decodes the first frame ({first.frame.format.name}) differently")


def _pictures(numbers: np.ndarray, times: np.ndarray, start: float, fetch: Fetch) -> Iterator[ArrayPicture]:
    """Fetch the frames from `start` seconds on, several at a time if they are small.

    numbers: (N,) int64 for `fetch`; times: (N,) s on the container's axis, ascending.
    """
    at, count = int(np.searchsorted(times - times[0], start)), 1
    while at < len(numbers):
        pixels = fetch([int(number) for number in numbers[at : at + count]])
        for place, (picture, time) in enumerate(zip(pixels, times[at : at + count], strict=True)):
            yield ArrayPicture(picture, float(time - times[0]), number=at + place)
        at += count
        count = max(1, min(FETCH, FETCH_BYTES // pixels[0].nbytes))
