"""Predictions drawn on one frame: boxes, panels with labels and gauges."""

import numpy as np
import pyarrow as pa
import pytest

from avfer.errors import DatasetError
from avfer.export.colours import line_colour
from avfer.export.drawing import draw_rows, rows_by_frame
from avfer.export.track_series import track_series
from avfer.types import NO_TRACK
from tests.export.tracks import make_track, with_persons


def table(count: int) -> pa.Table:
    return make_track([(frame, 1) for frame in range(count)], count).to_table()


def test_boxes_are_drawn_at_the_coordinates_of_the_table():
    plain = np.full((200, 200, 3), 90, np.uint8)
    rows = rows_by_frame(table(1))[0]
    changed = np.any(draw_rows(plain, rows) != plain, axis=2)
    assert changed[20:141, 10].mean() > 0.9 and changed[20:141, 110].mean() > 0.9  # the sides of the box
    assert not changed[40:130, 30:100].any() and not changed[:15].any()
    assert np.all(plain == 90)


def test_a_face_has_the_number_and_the_colour_of_its_person():
    plain = np.full((200, 200, 3), 90, np.uint8)
    track = make_track([(0, 1)], 1)
    back = with_persons(track, {1: 0}).to_table()  # the person of track 0 who came back
    plain_track = track.to_table()
    first = plain_track.set_column(plain_track.column_names.index("track"), "track", pa.array([0], pa.int32()))
    images = [draw_rows(plain, rows_by_frame(one)[0]) for one in (back, first, plain_track)]
    assert np.array_equal(images[0], images[1]) and not np.array_equal(images[0], images[2])


def test_a_face_has_the_colour_that_its_person_has_in_the_charts():
    rows = [(frame, track) for frame in range(6) for track in (1, 2, 5) if frame >= 5 - track]
    shown = with_persons(make_track(rows, 6), {2: 3}).to_table()
    charts = {person.label: line_colour(index) for index, person in enumerate(track_series(shown))}
    assert list(charts) == ["track 5", "person 3", "track 1"]
    assert [row["colour"] for row in rows_by_frame(shown)[5]] == [charts[n] for n in ("track 1", "person 3", "track 5")]


def test_an_expression_without_probability_is_drawn():
    plain, whole = np.full((200, 200, 3), 90, np.uint8), table(1)
    without = whole.drop_columns([name for name in whole.column_names if name.startswith("p_")])
    nameless = without.set_column(without.column_names.index("expression"), "expression", pa.nulls(1, pa.string()))
    images = [draw_rows(plain, rows_by_frame(one)[0]) for one in (whole, without, nameless)]
    assert not np.array_equal(images[0], images[1]) and not np.array_equal(images[1], images[2])


@pytest.mark.parametrize("name", ["contempt", "happily disgusted and surprised", "angewidert und überrascht"])
def test_a_label_lies_inside_its_panel(name):
    plain = np.full((360, 900, 3), 90, np.uint8)
    with_name = table(1).drop_columns(["expression"]).append_column("expression", pa.array([name]))
    without = with_name.set_column(with_name.column_names.index("expression"), "expression", pa.array([""]))
    image, empty = (draw_rows(plain, rows_by_frame(one)[0]) for one in (with_name, without))
    panel = np.flatnonzero((image != plain).any((0, 2)))
    letters = np.flatnonzero(((image.min(2) > 150) & (empty.min(2) <= 150)).any(0))
    assert panel[0] < letters[0] and letters[-1] < panel[-1] - 2


def test_letters_beyond_ascii_are_drawn():
    plain, row = np.full((360, 900, 3), 90, np.uint8), rows_by_frame(table(1))[0][0]
    images = [draw_rows(plain, [row | {"expression": name}]) for name in ("Ärger", "Örger", "гнев", "снев")]
    assert not np.array_equal(images[0], images[1]) and not np.array_equal(images[2], images[3])


def test_a_value_that_rounds_to_zero_has_no_minus():
    table_1 = table(1)
    images: list[np.ndarray] = []
    for value in (-0.001, 0.001):
        place = table_1.column_names.index("valence")
        changed = table_1.set_column(place, "valence", pa.array([value], pa.float32()))
        images.append(draw_rows(np.zeros((200, 400, 3), np.uint8), rows_by_frame(changed)[0]))
    assert np.array_equal(*images)


@pytest.mark.parametrize("side", [144, 720])  # px; the text is 9 and 20 px high
def test_a_minus_is_as_wide_as_a_plus(side):
    ends: list[int] = []
    for value in (-0.5, 0.5):
        row = rows_by_frame(table(1))[0][0] | {"valence": value, "arousal": None, "expression": ""}
        image = draw_rows(np.full((side, side, 3), 90, np.uint8), [row])
        ends.append(np.flatnonzero((image.min(2) > 150).any(0))[-1])
    assert ends[0] == ends[1]


def test_a_table_without_some_values_is_drawn_and_one_without_boxes_is_an_error():
    plain, whole = np.full((200, 200, 3), 90, np.uint8), table(1)
    boxes = whole.select(["clip", "frame", "time_s", "track", "face_x1", "face_y1", "face_x2", "face_y2"])
    assert np.any(draw_rows(plain, rows_by_frame(boxes)[0]) != plain)
    with pytest.raises(DatasetError, match="the table has no column face_x2, face_y2; give it"):
        rows_by_frame(whole.drop_columns(["face_x2", "face_y2"]))


def test_values_of_the_voice_are_drawn_on_a_frame_without_a_face():
    plain = np.full((120, 160, 3), 90, np.uint8)
    rows = rows_by_frame(make_track([(0, NO_TRACK)], 1).to_table())[0]
    assert np.any(draw_rows(plain, rows) != plain)
    assert np.array_equal(draw_rows(plain, rows_by_frame(make_track([], 1).to_table())[0]), plain)


@pytest.mark.parametrize("size", [(16, 16), (64, 64), (51, 73)])
def test_small_and_odd_images_can_be_drawn_on(size):
    rows = rows_by_frame(table(1))[0]
    assert draw_rows(np.zeros((*size, 3), np.uint8), rows).shape == (*size, 3)
