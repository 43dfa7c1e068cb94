"""Faces cut out of a video for the report."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avfer.export.clip_report import face_strip
from avfer.export.clip_report.face_strip import cut_faces
from avfer.export.person_rows import clips_of
from tests.export.small_tables import small_table
from tests.media_maker import write_clip

COLOURS = {0: (200, 30, 30), 1: (30, 30, 200)}  # of the face of each person, which moves to the right


def colour(image: str) -> np.ndarray:
    """Return the mean colour of the middle of a face."""
    picture = Image.open(io.BytesIO(base64.b64decode(image.partition("base64,")[2])))
    assert picture.size == (face_strip.SIDE, face_strip.SIDE)
    return np.asarray(picture)[24:48, 24:48].mean((0, 1))


def make_clip(path: Path, count: int, rotation: int = 0) -> tuple[Path, list]:
    """Write a clip with two moving squares, and return it with the people in its table."""
    frames, rows = np.full((count, 96, 160, 3), 90, np.uint8), []
    for number, frame in enumerate(frames):
        for person, paint in COLOURS.items():
            x, y = 10 + 80 * person + number % 30, 30
            frame[y : y + 40, x : x + 40] = paint
            rows.append({"time_s": number / 25, "track": person, "person": person})
    boxes = {f"face_{side}": [] for side in ("x1", "y1", "x2", "y2")}
    for row in rows:
        x = 10 + 80 * row["person"] + round(row["time_s"] * 25) % 30
        for side, value in zip(boxes, (x, 30, x + 40, 70), strict=True):
            boxes[side].append(float(value))
    if rotation:
        frames = np.rot90(frames, -rotation // 90, axes=(1, 2))
    table = small_table(rows)
    for name, values in boxes.items():
        table = table.append_column(name, [values])
    return write_clip(path, np.ascontiguousarray(frames), rotation=rotation), list(clips_of(table)[0].people)


@pytest.mark.parametrize("rotation", [0, 90])
def test_faces_are_cut_at_the_boxes_of_their_frames(tmp_path, rotation):
    clip, people = make_clip(tmp_path / "a.mp4", 50, rotation)
    found = cut_faces(clip, people)
    assert all(len(faces) >= 30 for faces in found)
    for person, faces in zip(people, found, strict=True):
        assert [face.time for face in faces] == sorted(face.time for face in faces)
        for face in faces:
            assert colour(face.image) == pytest.approx(COLOURS[person.person or 0], abs=14)


def test_a_long_way_between_faces_is_sought_and_ends_at_key_frames(tmp_path, monkeypatch):
    monkeypatch.setattr(face_strip, "DECODED", 20)
    monkeypatch.setattr(face_strip, "TIMES", 4)
    clip, people = make_clip(tmp_path / "a.mp4", 300)
    found = cut_faces(clip, people)
    assert all(3 <= len(faces) <= 6 for faces in found)
    assert all(colour(face.image) == pytest.approx(COLOURS[0], abs=14) for face in found[0])


def test_a_clip_that_cannot_be_read_gives_no_faces(tmp_path):
    clip, people = make_clip(tmp_path / "a.mp4", 3)
    clip.write_bytes(b"damaged")
    assert cut_faces(clip, people) == [[], []] and cut_faces(tmp_path / "gone.mp4", people) == [[], []]


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_a_photograph_has_the_face_of_each_person(tmp_path, ending):
    pixels = np.full((96, 160, 3), 90, np.uint8)
    pixels[30:70, 10:50] = COLOURS[0]
    Image.fromarray(pixels).save(tmp_path / f"face.{ending}")
    table = small_table([{"time_s": 0.0, "track": 0, "person": 0}])
    for side, value in (("x1", 10.0), ("y1", 30.0), ("x2", 50.0), ("y2", 70.0)):
        table = table.append_column(f"face_{side}", [[value]])
    ((face,),) = cut_faces(tmp_path / f"face.{ending}", clips_of(table)[0].people)
    assert colour(face.image) == pytest.approx(COLOURS[0], abs=12)
