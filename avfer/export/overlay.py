"""The overlay of a clip: its video, with its audio, or its photograph, with the predictions drawn on it.

The clip is decoded a second time, a stretch at a time, so memory use does not grow with its length. The metadata of the
table holds the pipeline, whose options of `decode_video` say which part of the clip was read.
"""

import io
import json
import math
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import ClassVar, cast

import av
import numpy as np
import pyarrow as pa
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from PIL import Image
from typing_extensions import Buffer

from avfer.atomic import atomic_write
from avfer.container import open_container
from avfer.errors import AvferError, ConfigError, OutputError
from avfer.export import metadata_of
from avfer.export.clip_frames import clip_decoder, decoded_batches
from avfer.export.drawing import Row, draw_rows, rows_by_frame
from avfer.export.face_blur import Blur, blur_faces, blurred_boxes, main_person
from avfer.export.face_drawing import LANDMARKS, parse_drawings
from avfer.export.overlay_audio import TICK, OverlayPart, add_audio
from avfer.export.privacy import check_numbers_only, is_numbers_only
from avfer.export.single_clip import single_clip
from avfer.export.table_reader import read_landmarks
from avfer.media import Media, probe
from avfer.picture_files import is_sequence
from avfer.stages.decode import DecodeVideo, parse_part

MAX_RATE = 240.0  # Hz
PICTURES = {".jpg", ".jpeg"}  # endings of the overlay of a photograph
MAX_COMMENT = 65_533  # bytes, of the comment of a JPEG


@dataclass(frozen=True)
class _Drawing:
    """What is drawn on the frames, by the number of the frame."""

    rows: Mapping[int, Sequence[Row]]
    names: Sequence[str]  # of avfer.export.face_drawing.DRAWINGS
    blurred: Mapping[int, np.ndarray] = field(default_factory=dict[int, np.ndarray])  # (N, 4) xyxy px


@dataclass(frozen=True)
class VideoOverlay:
    """Exporter "overlay": draws the predictions on the clip's video, with its audio, `avfer run --overlay`.

    The video is H.264 in an MP4 with the size of the displayed frames; odd sides grow by one pixel. AAC, MP3 and AC-3
    audio is copied, other audio is encoded as AAC. Of a clip that was read in part (`start_at`, `stop_at`), the overlay
    has this part only, at the times that it has in the table; the audio is cut at whole packets (about 0.02 s).
    The overlay of a photograph is a JPEG.
    """

    suffix: ClassVar[str] = ".overlay.mp4"
    still_suffix: ClassVar[str] = ".overlay.jpg"
    needs_frames: ClassVar[bool] = True
    draw: str = ""  # what to draw on each face beside its box, with commas: landmarks, pose, gaze
    landmarks: str = ""  # path of the table of landmarks, if they are drawn: talk.landmarks.parquet
    blur: Blur = ""  # whose faces are blurred: all, or others than the main person (avfer.export.face_blur.main_person)

    def __post_init__(self) -> None:
        if "landmarks" in parse_drawings(self.draw) and not self.landmarks:
            raise ConfigError("draw: landmarks need their table; set landmarks: to NAME.landmarks.parquet")

    def stated_options(self) -> dict[str, str]:
        """Return the options as text for the metadata of the file, beside those of the table."""
        return {"overlay_draw": ",".join(parse_drawings(self.draw)), "overlay_blur": self.blur}

    def write(self, table: pa.Table, clip: Path, path: Path) -> None:
        """Write the video; every frame keeps its own time, and the audio keeps its position.

        path: one that ends in .jpg gets the first frame alone, as a picture.
        table: the columns of `AffectTrack.to_table` for this clip; rows are assigned to frames by the column `frame`.
        Without a pipeline in its metadata, the whole clip is written.
        Raises ConfigError if the clip has no video or the table has `numbers_only` or rows of several clips, MediaError
        if the clip cannot be read, OutputError if the file cannot be written.
        """
        self._write(table, clip, None if is_sequence(clip) else clip, path)  # pictures have no sound

    def write_with_sound(self, table: pa.Table, clip: Path, sound: Path, path: Path) -> None:
        """Do what `write` does, with the audio of a separate file, which starts with the first frame."""
        self._write(table, clip, sound, path)

    def _write(self, table: pa.Table, clip: Path, sound: Path | None, path: Path) -> None:
        if len(table):
            single_clip(table)  # raises an error for the rows of several clips, which fit no video
        media = probe(clip)
        if media.video is None:
            raise ConfigError(f"'{clip}' has no video to draw on; leave out the exporter 'overlay' (--overlay)")
        if is_numbers_only(metadata_of(table.schema)):
            check_numbers_only("overlay", self)
        options = {key: value for key, value in self.stated_options().items() if value}
        kept = main_person(table) if self.blur == "others" else None
        options |= {"overlay_not_blurred": f"{kept[0]} {kept[1]}"} if kept else {}
        metadata = metadata_of(table.schema) | options
        blurred = blurred_boxes(clip, table, self.blur) if self.blur else {}
        drawing = _Drawing(self._rows(table), parse_drawings(self.draw), blurred)
        if path.suffix.lower() in PICTURES:
            _write_picture(clip, metadata, drawing, path)
            return
        recording = media if sound is None or sound == clip else probe(sound)
        with (
            atomic_write(path) as part,
            _OutputFile(part, "wb") as file,
            nullcontext() if sound is None else open_container(sound) as source,
        ):
            try:
                with av.open(file, "w", format="mp4", options={"movflags": "faststart"}) as target:
                    target.metadata["comment"] = json.dumps(metadata)
                    _transcode(media, recording, source, target, table, drawing)
            except FFmpegError as error:
                if file.error is not None:
                    raise file.error from error
                raise OutputError(f"{path} cannot be written: {error}") from error

    def _rows(self, table: pa.Table) -> dict[int, list[Row]]:
        """Return the rows to draw on each frame, with their landmarks where these are drawn."""
        rows = rows_by_frame(table)
        if "landmarks" not in parse_drawings(self.draw):
            return rows
        points = read_landmarks(Path(self.landmarks))
        return {
            frame: [{**row, LANDMARKS: points.get((frame, cast(int, row["track"])))} for row in several]
            for frame, several in rows.items()
        }

    @staticmethod
    def read_metadata(path: Path) -> dict[str, str]:
        """Return the metadata of the table behind an overlay, from the comment of the file; empty if it has none."""
        if path.suffix.lower() in PICTURES:
            with suppress(OSError, ValueError), Image.open(path) as picture:
                return json.loads(picture.info.get("comment", b"{}"))
            return {}
        with suppress(AvferError, FFmpegError, OSError, ValueError), open_container(path) as container:
            return json.loads(container.metadata.get("comment", "{}"))
        return {}


class _OutputFile(io.FileIO):
    """A file for PyAV, which neither closes a file of its own on a full disk nor reports why it could not write."""

    error: OSError | None = None  # of a write that failed

    def write(self, data: Buffer) -> int:
        """Write all of the data. Raises OSError and keeps it in `error`."""
        rest = memoryview(data)
        try:
            while len(rest):
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.error = error
            raise
        return memoryview(data).nbytes


def _write_picture(clip: Path, metadata: Mapping[str, str], drawing: _Drawing, path: Path) -> None:
    """Draw on the first frame of a clip and write it as a JPEG. Raises OutputError if it cannot be written.

    metadata: of the table and the overlay, written as the comment of the file unless that is too long.
    """
    comment = json.dumps(metadata).encode()
    with closing(_decoded_frames(clip, clip_decoder(metadata))) as frames:
        index, _, image = next(frames)
    picture = Image.fromarray(_drawn(image, index, drawing.rows.get(index, ()), drawing))
    with atomic_write(path) as part:
        kept = comment if len(comment) <= MAX_COMMENT else b""
        picture.save(part, "JPEG", quality=95, subsampling="4:4:4", comment=kept)


def _drawn(image: np.ndarray, index: int, rows: Sequence[Row], drawing: _Drawing) -> np.ndarray:
    """Return a frame with its blurred faces and its rows: (H, W, 3) uint8 -> (H, W, 3) uint8.   index: of the frame"""
    image = blur_faces(image, drawing.blurred[index]) if index in drawing.blurred else image
    return draw_rows(image, rows, drawing.names)


def _transcode(
    media: Media,
    recording: Media,
    source: InputContainer | None,
    target: OutputContainer,
    table: pa.Table,
    drawing: _Drawing,
) -> None:
    """Decode, draw and encode every frame that was read; audio up to a second ahead is muxed after each of them.

    recording: the file with the audio, open as `source`; None: there is none.
    A frame that `decode_video` left out is drawn with the rows of the last frame before it.
    """
    decoder = clip_decoder(metadata_of(table.schema))
    part = _part(recording, decoder)
    frames = {frame for frame in table["frame"].to_pylist() if frame is not None}
    final = max(frames, default=-1)
    shown: Sequence[Row] = []
    video, audio = None, None
    last = -1  # tick of the frame before: ticks must increase
    for index, time, image in _decoded_frames(media.path, decoder):
        shown = drawing.rows.get(index, [] if index in frames or index > final else shown)
        if video is None:
            audio = add_audio(recording, source, target, part)
            video = _add_video(target, media, image)
        frame = av.VideoFrame.from_ndarray(_even_sized(_drawn(image, index, shown, drawing)), format="rgb24")
        last = max(last + 1, round((time + part.shift) / TICK))
        frame.pts, frame.time_base = last, TICK
        target.mux(video.encode(frame))
        if audio is not None:
            audio.mux_until(time + 1.0)
    if video is not None:
        target.mux(video.encode())
    if audio is not None:
        audio.mux_until(math.inf)


def _part(recording: Media, decoder: DecodeVideo) -> OverlayPart:
    """Return the part of a clip that a decoder reads, on the axis of the file with its audio.

    An MP4 has no negative times, so everything is shifted if the audio starts before the first frame and is kept.
    """
    start, stop = parse_part(decoder.start_at, decoder.stop_at)
    begin = recording.audio.start if recording.audio else None
    zero = recording.video.first_s if recording.video else begin or 0.0
    if start > 0 or begin is None:
        return OverlayPart(start or -math.inf, stop, zero, 0.0)
    return OverlayPart(-math.inf, stop, zero, max(0.0, zero - begin))


def _decoded_frames(clip: Path, decoder: DecodeVideo) -> Generator[tuple[int, float, np.ndarray]]:
    """Yield index, time (s) and pixels ((H, W, 3) uint8 RGB) of every frame, exactly as the pipeline decodes them."""
    for frames in decoded_batches(clip, decoder):
        for number, time, pixels in zip(frames.clock.frame_numbers, frames.clock.times, frames.pixels, strict=True):
            yield int(number), float(time), pixels.cpu().numpy()


def _add_video(target: OutputContainer, media: Media, image: np.ndarray) -> av.VideoStream:
    """Add an H.264 stream (MPEG-4 part 2 where FFmpeg lacks x264) of the size of an (H, W, 3) image."""
    stated = media.video.fps if media.video and media.video.fps else 25.0
    rate = Fraction(min(max(stated, 1.0), MAX_RATE)).limit_denominator(1001)  # a hint only: frames have times
    try:
        stream = target.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "20"})
    except (FFmpegError, ValueError):  # FFmpeg was built without x264
        stream = target.add_stream("mpeg4", rate=rate, options={"qscale": "3"})
    height, width, _ = _even_sized(image).shape
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.codec_context.time_base = TICK
    return stream


def _even_sized(image: np.ndarray) -> np.ndarray:
    """Repeat the last row or column of an (H, W, 3) image with an odd side, as 4:2:0 sampling needs even sides."""
    height, width, _ = image.shape
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
