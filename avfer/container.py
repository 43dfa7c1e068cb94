"""Open a media file with PyAV and read its packets, frames and time stamps, whatever its format and its damage."""

import errno
import math
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, overload

import av
import numpy as np
from av import AudioFrame, AudioStream, Packet, VideoFrame, VideoStream
from av.codec.context import ThreadType
from av.container import InputContainer
from av.error import FFmpegError
from av.sidedata.sidedata import SideDataContainer
from av.stream import Disposition

from avfer.errors import MediaError

S = TypeVar("S", VideoStream, AudioStream)
MAX_GAP = 86400.0  # seconds between two frames; larger gaps mean that the time stamps are damaged
MAX_PIXELS = 2**26  # of a frame, twice 8K video; a damaged header could request any amount of memory
MAX_STEP = 1.0  # s by which decoding time stamps may go back; a longer step means that they start over
MAX_APART = 60.0  # s by which the ends of two streams may differ at the place where time stamps start over
INDEXED_FORMATS = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"}  # with an index, so that files cannot simply be joined
MAX_FAILURES = 100  # of the demuxer in a row, after which the file counts as read to its end
# The formats that are read, by FFmpeg's names. None of them opens further files or network addresses; playlists and
# lists of files (concat, hls, dash, imf, sdp, vobsub, lavfi, image2 with a pattern) are not among them.
FORMATS = (  # separated by commas, as FFmpeg's option takes them
    "3gp,aa,aac,ac3,ac4,adp,aiff,amr,amrnb,amrwb,ape,apng,asf,ast,au,av1,avi,avs2,avs3,bmp_pipe,"
    "caf,cavsvideo,dirac,dnxhd,dpx_pipe,dts,dtshd,dv,eac3,exr_pipe,flac,flv,g722,gif,gif_pipe,gsm,"
    "gxf,h261,h263,h264,hevc,ilbc,image2,ircam,ivf,j2k_pipe,jpeg_pipe,jpegls_pipe,jpegxl_anim,"
    "jpegxl_pipe,live_flv,loas,lxf,m4v,matroska,mjpeg,mjpeg_2000,mlp,mov,mp3,mp4,mpc,mpc8,mpeg,"
    "mpegts,mpegvideo,mpjpeg,mtv,mxf,nistsphere,nsv,nut,nuv,obu,ogg,oma,pbm_pipe,pgm_pipe,png_pipe,"
    "ppm_pipe,pva,qoa,qoi_pipe,rm,sgi_pipe,smjpeg,sox,swf,tak,tiff_pipe,truehd,tta,vc1,vivo,voc,"
    "vvc,w64,wav,webm,webp_pipe,wtv,wv,yuv4mpegpipe"
)
# How files begin that name other files or addresses, and the name of their format.
PLAYLISTS = {
    "hls": rb"#EXTM3U",
    "concat": rb"ffconcat version",
    "dash": rb"(<\?xml[^>]*\?>\s*)?(<!--.*?-->\s*)*<MPD\b",
    "imf": rb"(<\?xml[^>]*\?>\s*)?(<!--.*?-->\s*)*<CompositionPlaylist\b",
    "xspf or another XML playlist": rb"(<\?xml[^>]*\?>\s*)?(<!--.*?-->\s*)*<(playlist|smil|asx)\b",
    "sdp": rb"v=0\r?\n",
    "vobsub": rb"# VobSub index file",
    "rtsp reference": rb"(RTSPtext|\[Reference\])",
}


@contextmanager
def open_container(path: Path) -> Generator[InputContainer]:
    """Open a media file and close it at the end of the `with` block.

    Raises MediaError, with what to do about it, if the file is missing, unreadable, empty or no media file.
    """
    container = _open(path)
    try:
        yield container
    finally:
        container.close()


def _open(path: Path) -> InputContainer:
    try:
        if not path.exists():
            raise MediaError(f"'{path}' does not exist; check the path")
        if path.is_dir():
            raise MediaError(f"'{path}' is a folder, not a media file; give a file in it")
        if path.is_file() and not path.stat().st_size:
            raise MediaError(f"'{path}' is empty (0 bytes); copy or record it again")
        # Without pattern_type=none, `a%d.jpg` or `a*.jpg` would open further pictures.
        options = {"format_whitelist": FORMATS, "protocol_whitelist": "file", "pattern_type": "none"}
        return av.open(f"file:{path}", options=options, metadata_errors="replace")
    except (FFmpegError, OSError, ValueError) as error:
        raise MediaError(f"'{path}' cannot be read: {_reason(path, error)}") from error


def _reason(path: Path, error: Exception) -> str:
    """Return why a file cannot be read, and the way out."""
    number = error.errno if isinstance(error, FFmpegError | OSError) else None
    if number in (errno.EACCES, errno.EPERM):
        return "no permission; change the permissions of the file and its folder"
    if isinstance(error, OSError) and not isinstance(error, FFmpegError):
        return f"{error.strerror}; check the path and the disk"
    with path.open("rb") as file:
        head = file.read(4096)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for name, start in PLAYLISTS.items():
        if re.match(start, text, re.DOTALL | re.IGNORECASE):
            return (
                f"it is a playlist (format {name}), which names other files or addresses; avfer opens only the file"
                " that you name, so give the media files themselves"
            )
    if b"ftyp" in head[:12]:
        return "its index (moov) is missing, the file was cut off before its end; copy or record it again"
    if b"\0" not in head:
        return "it is a text file, not a media file; give a video or a sound file"
    if number == errno.EINVAL:  # FFmpeg's answer to a format that is not among FORMATS
        return "its format is none of those that avfer reads; convert it to MP4, for instance with ffmpeg"
    return "it is damaged or not a media file; copy or convert it again"


def video_stream(container: InputContainer) -> VideoStream | None:
    """Return the video stream to read, set to one thread: the first default one, otherwise the first.

    Cover art is not video. Raises MediaError if this FFmpeg has no decoder for the stream.
    """
    for stream in _default_first(container.streams.video):
        if stream.disposition & Disposition.attached_pic:
            continue
        if stream.codec_context is None:  # pyright: ignore[reportUnnecessaryComparison]
            raise MediaError(f"no decoder for the video of '{container.name}'; convert it to H.264")
        return _on_one_thread(stream)
    return None


def audio_stream(container: InputContainer) -> AudioStream | None:
    """Return the audio stream to read, set to one thread: the first default one with a decoder, otherwise the first."""
    for stream in _default_first(container.streams.audio):
        if stream.codec_context is not None:  # pyright: ignore[reportUnnecessaryComparison]
            return _on_one_thread(stream)
    return None


def _default_first(streams: Sequence[S]) -> list[S]:
    """Return the streams that players choose by themselves, then the others."""
    return sorted(streams, key=lambda stream: not stream.disposition & Disposition.default)


def _on_one_thread(stream: S) -> S:
    """Set a stream to be decoded on one thread; frames of more than MAX_PIXELS count as damaged."""
    stream.codec_context.thread_count = 1
    stream.codec_context.thread_type = ThreadType.NONE
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    return stream


def read_packets(container: InputContainer, *streams: VideoStream | AudioStream) -> Iterator[Packet | None]:
    """Yield the packets of some streams, then None at the end of the file.

    Damaged parts are skipped; a damaged end counts as the end. Where the time stamps of the file start over, those of
    the packets continue (see ContinuousTimes).
    """
    failures, numbers, times = 0, {stream.index for stream in streams}, ContinuousTimes()
    joinable = container.format.name not in INDEXED_FORMATS
    # Where a file may consist of joined ones, all streams are read, so that the times of a stream depend on the file
    # alone and not on the streams that are wanted.
    read = (*container.streams.video, *container.streams.audio) if joinable else streams
    while failures < MAX_FAILURES:
        try:
            for packet in container.demux(*read):
                if not packet.size:
                    continue
                failures = 0
                if joinable:
                    times.move(packet)
                if packet.stream_index in numbers:
                    yield packet
            break
        except FFmpegError:
            failures += 1
        except IndexError:  # PyAV at the end of a file in which a stream appeared that it does not know
            break
    yield None


class ContinuousTimes:
    """Changes time stamps so that they increase where those of the file start over, as in joined transport streams.

    The same number of seconds is added to all streams, so that sound and pictures stay together. A single wrong time
    stamp changes no other one.
    """

    def __init__(self) -> None:
        self._shift = 0.0  # s, added to the time stamps since they last started over
        self._clocks: dict[int, _StreamClock] = {}  # by the index of the stream

    def move(self, packet: Packet) -> None:
        """Add the shift of its stream to the time stamps of the next packet of a file."""
        clock = self._clocks.setdefault(packet.stream_index, _StreamClock())
        tick = float(packet.time_base)
        if packet.dts is not None:
            self._update(clock, packet.dts * tick)
            clock.before, clock.stop = clock.stop, packet.dts * tick + clock.shift + _duration(packet)
        ticks = round(clock.shift / tick)
        if ticks and packet.dts is not None:
            packet.dts += ticks
        if ticks and packet.pts is not None:
            packet.pts += ticks

    def _update(self, clock: "_StreamClock", time: float) -> None:
        """Choose the shift of a stream whose next packet has a decoding time stamp of `time` seconds."""
        now = time + clock.shift
        if now < min(clock.stop, clock.before) - MAX_STEP:
            if not 0 <= time + self._shift - clock.stop + MAX_STEP <= MAX_APART:  # the first stream of a new part
                stops = (other.stop for other in self._clocks.values())
                self._shift = max(stop for stop in stops if stop <= clock.stop + MAX_APART) - time
            clock.last_shift, clock.shift = clock.shift, self._shift
        elif now > clock.stop + MAX_STEP and abs(time + clock.last_shift - clock.stop) < MAX_STEP:
            clock.shift = clock.last_shift  # a single wrong time stamp had gone back


@dataclass
class _StreamClock:
    """The shift of one stream, and the ends of its last two packets."""

    shift: float = 0.0  # s, added to its time stamps
    last_shift: float = 0.0  # s, the shift before the time stamps last went back
    stop: float = -math.inf  # s, end of the last packet in the order of decoding
    before: float = -math.inf  # s, end of the packet before it


def _duration(packet: Packet) -> float:
    """Return the seconds of a packet: as stated, else by the average rate of its video, else 0."""
    rate = packet.stream.average_rate if isinstance(packet.stream, VideoStream) else None
    return float((packet.duration or 0) * packet.time_base) or (1 / float(rate) if rate else 0.0)


@overload
def decode_packet(stream: VideoStream, packet: Packet | None) -> list[VideoFrame] | None: ...
@overload
def decode_packet(stream: AudioStream, packet: Packet | None) -> list[AudioFrame] | None: ...
def decode_packet(stream: VideoStream | AudioStream, packet: Packet | None) -> Sequence[VideoFrame | AudioFrame] | None:
    """Return the frames that a packet completes, None if the packet is damaged.

    For the packet None, the end of the stream, it returns the frames that the decoder still holds back.
    """
    try:
        return stream.decode(packet)
    except BlockingIOError:  # damage has filled the decoder, which accepts no packet before it is emptied
        rest = _try_decode(stream, None) or []
        stream.codec_context.flush_buffers()
        return [*rest, *(_try_decode(stream, packet) or [])] or None
    except FFmpegError:
        return None


def _try_decode(stream: VideoStream | AudioStream, packet: Packet | None) -> Sequence[VideoFrame | AudioFrame] | None:
    try:
        return stream.decode(packet)
    except FFmpegError:
        return None


def time_of(unit: Packet | VideoFrame | AudioFrame, stream: VideoStream | AudioStream) -> float | None:
    """Return the time of a packet or frame in seconds on the container's axis, None if it has no time stamp.

    This is the presentation time stamp (pts), without one the decoding time stamp (dts). Video frames of an AVI use
    the dts: the file holds no pts, and those that FFmpeg derives drift away.
    """
    ticks = unit.dts if unit.pts is None or (isinstance(unit, VideoFrame) and is_avi(stream)) else unit.pts
    if ticks is None or stream.time_base is None:  # frames at the end of a stream have no time base of their own
        return None
    return float(ticks * stream.time_base)


def is_avi(stream: VideoStream | AudioStream) -> bool:
    """Return whether the file is an AVI, which stores no presentation time stamps."""
    return stream.container.format.name == "avi"


def check_gap(path: Path, expected: float, found: float) -> None:
    """Raise MediaError if a time stamp lies more than MAX_GAP seconds after the expected time; both in seconds."""
    if found - expected > MAX_GAP:
        raise MediaError(
            f"the time stamps of '{path}' jump from {expected:.1f} s to {found:.1f} s, so they are damaged; write the"
            " file again, for instance with ffmpeg -i FILE NEW.mp4"
        )


def orientation(frame: VideoFrame) -> tuple[int, bool]:
    """Return how a frame must be changed for display: (quarters of a turn counter-clockwise, mirrored).

    The quarters are 0 to 3. A frame with `mirrored`, as from some front cameras, is mirrored left to right before it
    is turned.
    """
    try:
        # Not frame.side_data: it forms a reference cycle with the frame, which stays in memory until a collection.
        matrix = SideDataContainer(frame).get("DISPLAYMATRIX")  # pyright: ignore[reportCallIssue]
    except ValueError:  # a kind of side data that PyAV does not know, such as EXIF
        return round(frame.rotation / 90) % 4, False
    if matrix is None:
        return 0, False
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()  # (x, y) is displayed at (ax + cy, bx + dy)
    mirrored = a * d < b * c
    return round(math.atan2(b if mirrored else -b, -a if mirrored else a) / (math.pi / 2)) % 4, mirrored


def upright(pixels: np.ndarray, frame: VideoFrame) -> np.ndarray:
    """Rotate and mirror the stored pixels of a frame for display, as `orientation` says; return a view of them.

    pixels: (H, W, 3) of any type -> (H, W, 3), or (W, H, 3) after a quarter of a turn.
    """
    turns, mirrored = orientation(frame)
    return np.rot90(pixels[:, ::-1] if mirrored else pixels, turns)
