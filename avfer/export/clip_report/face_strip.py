"""Small pictures of each person's face at several times of a clip, cut out of its video."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from av import VideoFrame, VideoStream
from av.container import InputContainer
from av.error import FFmpegError
from PIL import Image

from avfer.container import decode_packet, open_container, read_packets, time_of, video_stream
from avfer.errors import MediaError
from avfer.export.clip_report.frame_picture import jpeg_url, upright_picture
from avfer.export.person_rows import PersonRows
from avfer.export.track_series import BOX_COLUMNS
from avfer.media import probe
from avfer.picture_files import is_sequence

TIMES = 36  # of a clip at which faces are cut out, evenly spaced
FACES = 400  # of a page at most, beside the one that each person has
DECODED = 1200  # frames that are decoded at most; once they are used up, the key frame before each time is taken
NEAR = 2.0  # s, up to which decoding goes on instead of seeking
SIDE, MARGIN, QUALITY = 72, 0.2, 74  # px; share of the box around it; of the JPEG


@dataclass(frozen=True)
class FaceImage:
    """A face of one person."""

    time: float  # s, on the axis of the column `time_s`
    image: str  # JPEG of SIDE x SIDE px as a data URL


def cut_faces(clip: Path, people: Sequence[PersonRows]) -> list[list[FaceImage]]:
    """Return the faces of each person in the order of time; none where the video cannot be read.

    clip: the video that the rows were read from; a sequence of pictures gives no faces.
    """
    found: list[list[FaceImage]] = [[] for _ in people]
    boxes = [_Boxes.of(person) for person in people]
    wanted = _wanted_times(boxes)
    if not wanted or is_sequence(clip):
        return found
    with suppress(MediaError, FFmpegError):
        media = probe(clip)
        if media.video is None:
            return found
        with open_container(clip) as container:
            for time, frame in _frames_at(container, media.video.first_s, wanted):
                _cut_frame(frame, time, boxes, found)
    return found


@dataclass(frozen=True, eq=False)
class _Boxes:
    """The face boxes of one person over time."""

    times: np.ndarray  # (M,) float64 s, increasing
    boxes: np.ndarray  # (M, 4) float64 px, xyxy
    step: float  # s, median step between two times

    @staticmethod
    def of(person: PersonRows) -> "_Boxes":
        boxes = np.stack([person.numbers(name) for name in BOX_COLUMNS], axis=1)
        known = np.isfinite(boxes).all(axis=1)
        times = person.starts[known]
        return _Boxes(times, boxes[known], float(np.median(np.diff(times))) if len(times) > 1 else 0.04)

    def at(self, time: float) -> np.ndarray | None:
        """Return the box (4,) at a time (s), None if the person has no row within half a step."""
        if not len(self.times):
            return None
        near = int(np.abs(self.times - time).argmin())
        return self.boxes[near] if abs(self.times[near] - time) <= self.step / 2 else None


def _wanted_times(people: Sequence[_Boxes]) -> list[float]:
    """Return the times (s) of frames to cut: evenly over the clip, and the middle row of each person."""
    present = [person for person in people if len(person.times)]
    if not present:
        return []
    first = min(float(person.times[0]) for person in present)
    last = max(float(person.times[-1]) for person in present)
    shared = np.linspace(first, last, max(2, min(TIMES, FACES // len(present))))
    middles = [float(person.times[len(person.times) // 2]) for person in present]
    return sorted({*map(float, shared), *middles})


def _frames_at(
    container: InputContainer, first_s: float, wanted: Sequence[float]
) -> Iterator[tuple[float, VideoFrame]]:
    """Yield time (s after the first frame) and frame near each wanted time, in the order of time.

    A frame is the first one from the wanted time on or, once DECODED frames were decoded, the key frame before it.
    """
    stream = video_stream(container)
    if stream is None or not stream.time_base:
        return
    budget, position = DECODED, min(0.0, wanted[0]) - 1e-4  # where the container is when it opens
    frames = _decoded(container, stream, first_s)
    for target in wanted:
        if target <= position:
            continue
        if target - position > NEAR:
            with suppress(FFmpegError):  # a format without seeking is read on from where it is
                container.seek(round((target + first_s) / stream.time_base), stream=stream)
                frames = _decoded(container, stream, first_s)
        for time, frame in frames:
            budget -= 1
            position = time
            if time >= target - 1e-4 or budget <= 0:
                yield time, frame
                break


def _decoded(container: InputContainer, stream: VideoStream, first_s: float) -> Iterator[tuple[float, VideoFrame]]:
    """Yield time (s after the first frame) and frame from where the container is."""
    for packet in read_packets(container, stream):
        for frame in decode_packet(stream, packet) or ():
            if (time := time_of(frame, stream)) is not None:
                yield time - first_s, frame


def _cut_frame(frame: VideoFrame, time: float, people: Sequence[_Boxes], found: list[list[FaceImage]]) -> None:
    """Append the faces on a frame at a time (s) to those of each person."""
    boxes = [person.at(time) for person in people]
    if all(box is None for box in boxes):
        return
    picture = upright_picture(frame)
    for box, faces in zip(boxes, found, strict=True):
        if box is not None:
            faces.append(FaceImage(round(time, 4), _cut(picture, box)))


def _cut(picture: Image.Image, box: np.ndarray) -> str:
    """Return the square around a box (4,) xyxy px as a data URL; what lies outside the picture is black."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half = max(2.0, (0.5 + MARGIN) * float(max(box[2] - box[0], box[3] - box[1])))
    corners = (round(x - half), round(y - half), round(x + half), round(y + half))
    return jpeg_url(picture.crop(corners).resize((SIDE, SIDE), Image.Resampling.BILINEAR), QUALITY)
