"""Blurred faces: which boxes are blurred on which frames, and what is left of the pixels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from avfer.export.face_blur import CELLS, HOLD, blur_faces, blurred_boxes, main_person
from tests.export.tracks import make_track
from tests.media_maker import stripes, write_clip
from tests.toy_detector import BACKGROUND, SIDE, SQUARE

FRAMES = 30
LEFT, RIGHT = (20, 20), (150, 80)  # (x, y) px, corners of the two faces
PIPELINE = """\
stages:
  frames: {use: decode_video, from: span}
  boxes: {use: detect_faces, from: frames, detector: "tests.toy_detector:Squares"}
output: boxes
"""


@dataclass(frozen=True)
class Shown:
    """On which frames the faces are visible."""

    left: range = range(FRAMES)
    right: range = range(FRAMES)


def write_faces(folder: Path, shown: Shown) -> Path:
    """Write a clip with two squares."""
    frames = np.empty((FRAMES, 144, 240, 3), np.uint8)
    frames[:] = BACKGROUND
    for (x, y), visible in ((LEFT, shown.left), (RIGHT, shown.right)):
        for frame in visible:
            frames[frame, y : y + SIDE, x : x + SIDE] = SQUARE
    return write_clip(folder / "talk.mp4", frames)


def make_table(left: range = range(FRAMES), right: range = range(FRAMES), every: int = 1) -> pa.Table:
    """Return a table with person 0 at LEFT and person 1 at RIGHT, which is smaller, and the pipeline of the clip."""
    rows = sorted([(frame, 0) for frame in left] + [(frame, 1) for frame in right])
    table = make_track(rows, FRAMES).to_table()
    for column, (axis, size) in {
        "face_x1": (0, 0), "face_y1": (1, 0), "face_x2": (0, SIDE), "face_y2": (1, SIDE)
    }.items():  # fmt: skip
        sides = [
            None if track is None else (LEFT, RIGHT)[track][axis] + size * (1 - 0.05 * track)
            for track in table["track"].to_pylist()
        ]
        table = table.set_column(table.column_names.index(column), column, pa.array(sides, pa.float32()))
    if every > 1:
        table = table.filter(pa.array([frame % every == 0 for frame in table["frame"].to_pylist()]))
    return table.replace_schema_metadata({"pipeline": PIPELINE})


def is_blurred(boxes: dict[int, np.ndarray], frame: int, corner: tuple[int, int]) -> bool:
    """Return whether a box on a frame covers the middle of a face."""
    x, y = corner[0] + SIDE / 2, corner[1] + SIDE / 2
    found = boxes.get(frame, np.zeros((0, 4)))
    return bool(((found[:, 0] < x) & (x < found[:, 2]) & (found[:, 1] < y) & (y < found[:, 3])).any())


def blurred_frames(boxes: dict[int, np.ndarray], corner: tuple[int, int]) -> list[int]:
    return [frame for frame in range(FRAMES) if is_blurred(boxes, frame, corner)]


EVERY_FRAME = list(range(FRAMES))


def test_all_faces_are_blurred_on_every_frame(tmp_path):
    boxes = blurred_boxes(write_faces(tmp_path, Shown()), make_table(), "all")
    assert blurred_frames(boxes, LEFT) == blurred_frames(boxes, RIGHT) == EVERY_FRAME


def test_others_keeps_the_main_person_and_blurs_the_rest(tmp_path):
    boxes = blurred_boxes(write_faces(tmp_path, Shown()), make_table(), "others")
    assert blurred_frames(boxes, LEFT) == []
    assert blurred_frames(boxes, RIGHT) == EVERY_FRAME


def test_a_face_that_the_table_lacks_is_blurred(tmp_path):
    """The pipeline left it out: `person`, `min_length`, `region`, or a score that was too low."""
    boxes = blurred_boxes(write_faces(tmp_path, Shown(right=range(10, 13))), make_table(right=range(0)), "others")
    hold = round(HOLD * 25)
    assert set(range(10 - hold, 13 + hold)) >= set(blurred_frames(boxes, RIGHT)) >= set(range(10, 13))
    assert blurred_frames(boxes, LEFT) == []


def test_a_face_of_the_table_is_blurred_though_the_second_search_misses_it(tmp_path):
    clip = write_faces(tmp_path, Shown(right=range(0)))
    assert set(blurred_frames(blurred_boxes(clip, make_table(right=range(5, 9)), "all"), RIGHT)) >= set(range(5, 9))


def test_the_main_person_is_blurred_where_the_table_does_not_know_it(tmp_path):
    """Without a row there is no proof that the face is the one to keep; the blur does not spread to frames with one."""
    boxes = blurred_boxes(write_faces(tmp_path, Shown()), make_table(left=range(28)), "others")
    assert blurred_frames(boxes, LEFT) == [28, 29]


def test_frames_that_the_pipeline_left_out_are_treated_like_those_beside_them(tmp_path):
    boxes = blurred_boxes(write_faces(tmp_path, Shown()), make_table(every=5), "others")
    assert blurred_frames(boxes, LEFT) == [26, 27, 28, 29]  # after the last row nothing is known
    assert blurred_frames(boxes, RIGHT) == EVERY_FRAME


def test_a_face_that_is_lost_for_a_second_is_blurred_in_between(tmp_path):
    clip = write_faces(tmp_path, Shown(right=range(0)))
    table = make_table(right=range(2))
    late = make_table(left=range(0), right=range(28, 30)).filter(pa.array([False] * 28 + [True] * 2))
    boxes = blurred_boxes(clip, pa.concat_tables([table, late]), "others")
    assert blurred_frames(boxes, RIGHT) == EVERY_FRAME


def test_the_main_person_has_the_largest_sum_of_face_areas():
    assert main_person(make_table()) == ("track", 0)
    assert main_person(make_table(left=range(5))) == ("track", 1)
    assert main_person(make_table(range(0), range(0))) is None
    table = make_table(left=range(20))
    persons = pa.array([None if track is None else 7 - track for track in table["track"].to_pylist()], pa.int32())
    table = table.set_column(table.column_names.index("person"), "person", persons)
    assert main_person(table) == ("person", 6)


def test_of_a_blurred_face_a_few_mean_colours_are_left():
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)
    box = np.array([100.0, 60.0, 160.0, 140.0])
    image = blur_faces(noise, box[None])
    inside = image[60:140, 100:160].astype(float)
    assert inside.std() < 12 < noise[60:140, 100:160].std()  # noise of one colour each 15 px is gone
    assert np.array_equal(image[:, :70], noise[:, :70]) and np.array_equal(image[:, 190:], noise[:, 190:])
    rank = np.linalg.matrix_rank(inside[:, :, 0].round(), tol=40)
    assert rank <= CELLS


@pytest.mark.parametrize("box", [(-50, -40, 30, 20), (290, 190, 340, 260), (400, 300, 450, 350), (10, 10, 10.5, 10.5)])
def test_boxes_at_and_beyond_the_border_are_blurred_as_far_as_they_are_inside(box):
    image = blur_faces(stripes(1, 200, 300)[0], np.array([box], float))
    assert image.shape == (200, 300, 3)
