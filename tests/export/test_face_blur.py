"""Blurred faces: which boxes are blurred on which frames, and what is left of the pixels."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from avfer.export.face_blur import (
    HOLD,
    FacePlaces,
    _between,
    _joined,
    _same_face,
    _table_places,
    blur_faces,
    blurred_boxes,
    main_person,
)
from tests.export.tracks import make_track
from tests.media_maker import stripes, write_clip
from tests.toy_detector import BACKGROUND, SIDE, SQUARE, Squares

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


def make_table(left: Iterable[int] = range(FRAMES), right: Iterable[int] = range(FRAMES), every: int = 1) -> pa.Table:
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


def test_the_main_person_is_blurred_on_frames_between_two_rows_that_have_none(tmp_path):
    """The table has the other face on frames 10 to 12, so that the pipeline did not leave them out."""
    table = make_table(left=[*range(10), *range(13, FRAMES)], right=range(8, 16))
    boxes = blurred_boxes(write_faces(tmp_path, Shown()), table, "others")
    assert blurred_frames(boxes, LEFT) == [10, 11, 12]


class FaintSquares(Squares):
    """A detector that is unsure of every face."""

    def search(self, picture: torch.Tensor, min_size: float) -> tuple[torch.Tensor, torch.Tensor]:
        boxes, scores = super().search(picture, min_size)
        return boxes, 0.1 * scores

    def refine(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        scores, offsets, landmarks = super().refine(crops)
        return 0.1 * scores, offsets, landmarks


def test_a_face_of_low_score_is_blurred_around_the_frames_of_a_search(tmp_path):
    """A frame of every five is searched; a box stays for 0.25 s, 6 frames of 0.04 s."""
    detector = "tests.export.test_face_blur:FaintSquares"
    table = make_table(left=range(1), right=range(0)).replace_schema_metadata(
        {"pipeline": PIPELINE.replace("tests.toy_detector:Squares", detector)}
    )
    boxes = blurred_boxes(write_faces(tmp_path, Shown(right=range(15, 19))), table, "all")
    assert blurred_frames(boxes, RIGHT) == list(range(15 - 6, 15 + 7))


def test_faces_are_searched_from_the_smallest_size_of_the_pipeline_on(tmp_path):
    """A square of 20 px, where the pipeline searches from 16 px on; otherwise 24 px are the smallest."""
    frames = np.full((6, 144, 240, 3), BACKGROUND, np.uint8)
    frames[:, 80:100, 150:170] = SQUARE
    clip = write_clip(tmp_path / "small.mp4", frames)
    table = make_table(left=range(1), right=range(0))
    small = table.replace_schema_metadata({"pipeline": PIPELINE.replace('Squares"}', 'Squares", min_size: 16}')})
    for one, found in ((table, False), (small, True)):
        middle = (150 + 10 - SIDE / 2, 80 + 10 - SIDE / 2)
        assert is_blurred(blurred_boxes(clip, one, "all"), 3, middle) == found


def places(*rows: tuple[int, int, float]) -> FacePlaces:
    """Return boxes of 10 px, each of (position, sequence, left side)."""
    positions, sequences, left = (np.array(column) for column in zip(*rows, strict=True))
    boxes = np.stack([left, left * 0, left + 10, left * 0 + 10], 1).astype(float)
    return FacePlaces(positions.astype(np.int64), boxes, sequences.astype(np.int64))


def filled(found: FacePlaces, times: np.ndarray, max_gap: float, hold: float) -> list[tuple[int, int, float]]:
    """Return (position, sequence, left side) of each box that fills a gap, in the order of sequence and position."""
    between = _between(found, times, max_gap, hold)
    rows = zip(between.positions.tolist(), between.sequences.tolist(), between.boxes[:, 0].tolist(), strict=True)
    return sorted((position, sequence, round(left, 6)) for position, sequence, left in rows)


def test_a_gap_is_filled_with_boxes_on_a_line_within_one_sequence():
    times, found = np.arange(8) / 10, places((0, 0, 0), (4, 0, 40), (2, 1, 100))
    assert filled(found, times, 1.0, 0.0) == [(1, 0, 10), (2, 0, 20), (3, 0, 30)]
    assert filled(found, times, 0.4, 0.0) == filled(found, times, 1.0, 0.0)
    assert filled(found, times, 0.3, 0.0) == []


def test_the_first_and_the_last_box_stay_for_a_while():
    times = np.arange(8) / 10
    assert filled(places((3, 0, 5), (4, 0, 6)), times, 1.0, 0.2) == [(1, 0, 5), (2, 0, 5), (5, 0, 6), (6, 0, 6)]
    assert filled(places((1, 0, 5), (6, 0, 6)), times, 0.3, 0.1) == [(0, 0, 5), (2, 0, 5), (5, 0, 6), (7, 0, 6)]


def test_sequences_of_two_searches_have_different_numbers():
    found = _joined([places((0, 0, 1), (1, 3, 2)), places((0, 0, 3), (1, 1, 4))])
    assert found.sequences.tolist() == [0, 3, 4, 5] and found.boxes[:, 0].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("box", "same"),
    [
        ((0, 0, 100, 100), True),
        ((40, 40, 50, 50), True),  # inside
        ((70, 0, 170, 100), False),  # 30 % of each
        ((40, 0, 140, 100), True),  # 60 % of the box
        ((41, 0, 141, 100), True),  # 59 % of the box, 5900 of 14100 px together: 41.8 %
        ((45, 0, 145, 100), False),  # 55 % of the box, 5500 of 14500 px together: 37.9 %
        ((0, 0, 200, 120), True),  # 10000 of 24000 px together: 41.7 %
        ((0, 0, 200, 130), False),  # 10000 of 26000 px together: 38.5 %
    ],
)
def test_a_box_is_the_kept_face_if_it_covers_or_overlaps_it(box, same):
    found = FacePlaces(np.zeros(1, np.int64), np.array([box], float), np.zeros(1, np.int64))
    assert _same_face(found, np.array([[0.0, 0, 100, 100]])).tolist() == [same]
    assert not _same_face(found, np.full((1, 4), np.nan)).any()


def test_a_face_without_a_person_is_not_the_person_who_is_kept():
    table = make_table(left=range(3), right=range(0)).slice(0, 3)
    table = table.set_column(table.column_names.index("person"), "person", pa.array([6, None, 5], pa.int32()))
    _, kept = _table_places(table, np.arange(FRAMES), ("person", 6))
    assert kept.tolist() == [True, False, False]


def test_a_face_without_a_box_has_no_place():
    table = make_table(left=range(3), right=range(0)).slice(0, 3)
    sides = pa.array([20, None, 20], pa.float32())
    found, _ = _table_places(
        table.set_column(table.column_names.index("face_x1"), "face_x1", sides), np.arange(9), None
    )
    assert found.positions.tolist() == [0, 2]


def test_frames_that_the_pipeline_left_out_are_treated_like_those_beside_them(tmp_path):
    boxes = blurred_boxes(write_faces(tmp_path, Shown()), make_table(every=5), "others")
    assert blurred_frames(boxes, LEFT) == [26, 27, 28, 29]  # after the last row nothing is known
    assert blurred_frames(boxes, RIGHT) == EVERY_FRAME


def test_boxes_of_a_part_of_a_clip_are_on_its_frames(tmp_path):
    late = range(10, FRAMES)
    pipeline = PIPELINE.replace("decode_video, from: span", "decode_video, from: span, start_at: 0.4")
    table = make_table(late, late).replace_schema_metadata({"pipeline": pipeline})
    boxes = blurred_boxes(write_faces(tmp_path, Shown()), table, "others")
    assert blurred_frames(boxes, RIGHT) == list(late) and blurred_frames(boxes, LEFT) == []


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
    assert inside.std() < 5 < noise[60:140, 100:160].std() / 10  # a colour is the mean of 24 x 32 px: 74 / 28
    assert np.array_equal(image[36:40, 82:86], noise[36:40, 82:86])  # beyond the ellipse of 96 x 128 px
    assert (image[60:64, 100:104] != noise[60:64, 100:104]).any()  # corner of the box
    assert np.array_equal(image[:, :70], noise[:, :70]) and np.array_equal(image[:, 190:], noise[:, 190:])
    rank = np.linalg.matrix_rank(inside[:, :, 0].round(), tol=40)
    assert rank <= 4


def test_a_blurred_face_keeps_nothing_but_the_means_of_four_by_four_cells():
    """The padded box of 96 x 128 px begins at (82, 36): cells of 24 x 32 px, whose pixels may change places."""
    random = np.random.default_rng(0)
    noise = random.integers(0, 255, (200, 300, 3), np.uint8)
    mixed = noise.copy()
    for top in range(36, 164, 32):
        for left in range(82, 178, 24):
            cell = mixed[top : top + 32, left : left + 24].reshape(-1, 3)
            mixed[top : top + 32, left : left + 24] = random.permutation(cell).reshape(32, 24, 3)
    box = np.array([[100.0, 60.0, 160.0, 140.0]])
    first, second = (blur_faces(image, box)[60:140, 100:160] for image in (noise, mixed))
    assert np.abs(first.astype(int) - second).max() <= 1 < first.std()  # rounded once more


@pytest.mark.parametrize("box", [(-50, -40, 30, 20), (290, 190, 340, 260), (400, 300, 450, 350), (10, 10, 10.5, 10.5)])
def test_boxes_at_and_beyond_the_border_are_blurred_as_far_as_they_are_inside(box):
    image = blur_faces(stripes(1, 200, 300)[0], np.array([box], float))
    assert image.shape == (200, 300, 3)
