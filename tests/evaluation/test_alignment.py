"""Rows of a table are aligned with the steps of an example: by frame or time, one face each, gaps filled."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from avfer.datasets.example import Example, Labels, Side
from avfer.errors import DatasetError
from avfer.evaluation.alignment import align


def example(frames: np.ndarray | None = None, times: np.ndarray | None = None, side: Side | None = None) -> Example:
    steps = len(frames if frames is not None else times if times is not None else [0])
    labels = {"valence": Labels(np.zeros(steps), np.ones(steps, bool))}
    return Example("talk", "dev", labels, frames=frames, times=times, side=side)


def table(**columns: object) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_a_step_takes_the_row_of_its_frame_and_gaps_repeat_the_last_value():
    rows = table(frame=[4, 1, 2], time_s=[0.4, 0.1, 0.2], valence=[0.4, 0.1, 0.2])
    found = align(example(frames=np.arange(6)), rows, ["valence"])
    assert found.values["valence"].tolist() == [0.1, 0.1, 0.2, 0.2, 0.4, 0.4]
    assert found.filled["valence"].tolist() == [True, False, False, True, False, True]
    assert found.step == pytest.approx(0.1)


def test_a_step_takes_the_row_nearest_in_time_within_half_a_step():
    rows = table(frame=[0, 1, 2], time_s=[0.02, 0.13, 0.47], valence=[0.1, 0.2, 0.5])
    found = align(example(times=np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])), rows, ["valence"])
    assert found.values["valence"].tolist() == [0.1, 0.2, 0.2, 0.2, 0.2, 0.5]
    assert found.filled["valence"].tolist() == [False, False, True, True, True, False]


def test_a_step_of_labels_at_every_fifth_frame_takes_no_row_of_a_frame_beside_it():
    rows = table(frame=[0, 4, 6, 10], time_s=[0.0, 0.16, 0.24, 0.4], valence=[0.1, 0.4, 0.6, 1.0])
    found = align(example(frames=np.array([0, 5, 10])), rows, ["valence"])
    assert found.values["valence"].tolist() == [0.1, 0.1, 1.0] and found.filled["valence"].tolist() == [0, 1, 0]


def test_a_row_just_half_a_step_away_counts_and_of_two_equally_near_rows_the_earlier_one():
    rows = table(time_s=[0.5, 1.5, 4.5, 6.502], valence=[0.1, 0.2, 0.3, 0.4])
    found = align(example(times=np.arange(7.0)), rows, ["valence"])
    assert found.filled["valence"].tolist() == [False, False, False, True, False, False, True]
    assert found.values["valence"].tolist() == [0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.3]


def test_a_pause_in_the_labels_does_not_lengthen_their_step():
    rows = table(time_s=[0.0, 4.0], valence=[0.1, 0.4])
    found = align(example(times=np.array([0.0, 0.1, 0.2, 0.3, 5.0])), rows, ["valence"])
    assert found.filled["valence"].tolist() == [False, True, True, True, True]
    assert found.step == pytest.approx(0.1)


def test_labels_with_frames_and_times_are_matched_by_frame_if_every_row_has_one():
    labels = example(np.arange(2), times=np.array([0.0, 0.1]))
    rows = table(frame=[0, 1], time_s=[0.1, 0.2], valence=[0.1, 0.2])
    assert align(labels, rows, ["valence"]).values["valence"].tolist() == [0.1, 0.2]
    boxes = dict.fromkeys(["track", "face_x1", "face_y1"], 0) | {"face_x2": 5, "face_y2": 5}
    partly = rows.assign(frame=pd.array([None, None], "Int64"), **boxes)
    partly = pd.concat([partly, partly.assign(frame=7, time_s=0.3, valence=0.3)])
    assert align(labels, partly, ["valence"]).values["valence"].tolist() == [0.1, 0.1]


def test_a_table_without_rows_has_no_value_at_any_step():
    rows = table(frame=[], time_s=[], valence=[])
    for labels in (example(frames=np.arange(2)), example(times=np.arange(2.0))):
        found = align(labels, rows, ["valence"])
        assert np.isnan(found.values["valence"]).all() and not found.filled["valence"].any()


@pytest.mark.parametrize(("key", "place"), [("frame", "frame 2"), ("time_s", "time_s 0.2")])
def test_infinite_values_raise_an_error_that_names_the_first_one(key, place):
    rows = table(frame=[0, 2, 3], time_s=[0.0, 0.2, 0.3], valence=[0.0, np.inf, -np.inf])[[key, "valence"]]
    labels = example(np.arange(4)) if key == "frame" else example(times=np.arange(4) / 10)
    with pytest.raises(DatasetError, match=f"column valence has 2 infinite values, the first at {place};"):
        align(labels, rows, ["valence"])


@pytest.mark.parametrize(("key", "labels"), [("frame", example(np.arange(2))), ("time_s", example(times=np.arange(2)))])
def test_a_table_without_frames_or_times_for_the_labels_raises_an_error(key, labels):
    with pytest.raises(DatasetError, match=f"predictions for talk have no column {key}; add it"):
        align(labels, table(valence=[0.1, 0.2]), ["valence"])


def test_missing_times_of_labels_in_seconds_need_no_frames():
    with pytest.raises(DatasetError, match=r"talk: 1 row has no time_s; fill in the column$"):
        align(example(times=np.arange(2.0)), table(time_s=[0.0, None], valence=[0.1, 0.2]), ["valence"])


@pytest.mark.parametrize(
    ("labels", "key", "last", "length"),
    [
        (example(np.arange(101)), "frame", 124, 1.0),
        (example(np.arange(101)), "frame", 125, 1.25),
        (example(np.arange(101)), "frame", 75, 0.75),
        (example(times=np.arange(11) / 2), "time_s", 5.9, 1.0),
        (example(times=np.arange(11) / 2), "time_s", 6.0, 1.2),
        (example(np.arange(1)), "frame", 125, None),
        (example(np.arange(2) - 1), "frame", 125, None),
    ],
)
def test_lengths_differ_from_25_frames_or_one_second_on(labels, key, last, length):
    rows = pd.DataFrame({key: [0, last], "valence": [0.0, 0.0]})
    assert align(labels, rows, ["valence"]).relative_length == length
    assert align(labels, rows[1:], ["valence"]).relative_length is None


def test_each_column_is_filled_separately():
    rows = table(frame=[0, 1], time_s=[0.0, 0.1], valence=[0.1, 0.2], au01=[0.7, np.nan])
    found = align(example(frames=np.arange(2)), rows, ["valence", "au01", "au02"])
    assert found.filled["valence"].tolist() == [False, False] and found.filled["au01"].tolist() == [False, True]
    assert np.isnan(found.values["au02"]).all() and not found.filled["au02"].any()


@pytest.mark.parametrize(("side", "person"), [(None, 0.2), ("left", 0.1), ("right", 0.3)])
def test_the_largest_face_or_the_one_on_the_side_of_the_person_is_selected(side, person):
    boxes = {"face_x1": [0, 40, 80, None], "face_x2": [10, 70, 90, None], "face_y1": [0, 0, 0, None]}
    boxes |= {"face_y2": [10, 30, 10, None], "track": [0, 1, 2, None]}
    rows = table(frame=[0, 0, 0, 1], time_s=[0.0, 0.0, 0.0, 0.1], valence=[0.1, 0.2, 0.3, 0.9], **boxes)
    found = align(example(np.arange(2), side=side), rows, ["valence"])
    assert found.values["valence"].tolist() == [person, 0.9]
    assert found.other_faces == 2


def test_the_largest_face_is_selected_wherever_it_is():
    boxes = {"face_x1": [0, 500], "face_y1": [0, 300], "face_x2": [40, 510], "face_y2": [40, 310], "track": [0, 1]}
    rows = table(frame=[0, 0], time_s=[0.0, 0.0], valence=[0.1, 0.2], **boxes)
    assert align(example(np.arange(1)), rows, ["valence"]).values["valence"].tolist() == [0.1]


@pytest.mark.parametrize(("side", "person"), [("left", 0.2), ("right", 0.1)])
def test_a_face_is_left_or_right_by_the_middle_of_its_box(side, person):
    boxes = {"face_x1": [10, 0], "face_x2": [20, 25], "face_y1": 0, "face_y2": 10, "track": [0, 1]}
    rows = table(frame=[0, 0], time_s=[0.0, 0.0], valence=[0.1, 0.2]).assign(**boxes)
    assert align(example(np.arange(1), side=side), rows, ["valence"]).values["valence"].tolist() == [person]


def test_the_only_step_of_a_clip_takes_the_nearest_value():
    rows = table(frame=[0, 1, 2, 3], time_s=[0.0, 0.1, 0.2, 0.3], valence=[0.1, 0.2, np.nan, np.nan], au01=np.nan)
    for step in (example(times=np.array([0.18])), example(frames=np.array([3]))):
        found = align(step, rows, ["valence", "au01"])
        assert found.values["valence"].tolist() == [0.2] and found.filled["valence"].tolist() == [True]
        assert np.isnan(found.values["au01"]).all() and not found.filled["au01"].any()
    found = align(example(times=np.array([0.11])), rows, ["valence"])
    assert found.values["valence"].tolist() == [0.2] and found.filled["valence"].tolist() == [False]


def test_numbers_that_a_table_has_as_text_are_read_as_numbers():
    rows = table(frame=["2", "10", "9", "9"], time_s=["0.2", "1.0", "0.9", "0.9"], valence=[0.2, 1.0, 0.9, 0.1])
    rows = rows.assign(track=[0, 0, 0, 1], face_x1="0", face_y1="0", face_x2=["8", "8", "10", "9"], face_y2="1")
    for steps in (example(frames=np.array([2, 9, 10])), example(times=np.array([0.2, 0.9, 1.0]))):
        found = align(steps, rows, ["valence"])
        assert found.values["valence"].tolist() == [0.2, 0.9, 1.0] and not found.filled["valence"].any()


def test_a_table_without_all_edges_of_the_boxes_needs_one_row_for_each_frame():
    rows = table(frame=[0, 1], valence=[0.1, 0.2], track=[0, 0], face_x1=[0.0, 0.0])
    assert align(example(np.arange(2)), rows, ["valence"]).values["valence"].tolist() == [0.1, 0.2]
    with pytest.raises(DatasetError, match="1 row repeats a frame"):
        align(example(np.arange(2)), pd.concat([rows, rows[:1]]), ["valence"])


def test_missing_values_of_a_nullable_column_are_gaps():
    rows = table(frame=[0, 1], valence=pd.array([0.1, None], "Float64"))
    assert align(example(np.arange(2)), rows, ["valence"]).filled["valence"].tolist() == [False, True]


def test_the_step_is_that_of_the_labels_if_they_have_times_else_the_median_of_the_table():
    rows = table(frame=np.arange(4), time_s=[0.0, 0.1, 0.2, 9.0], valence=np.zeros(4))
    assert align(example(times=np.arange(4) / 25), rows, ["valence"]).step == pytest.approx(0.04)
    assert align(example(np.arange(4)), rows, ["valence"]).step == pytest.approx(0.1)


@pytest.mark.parametrize(("times", "step"), [([0.0, None, 0.2, 0.3], 0.1), ([0.0] * 4, None), ([None] * 4, None)])
def test_the_step_is_unknown_if_times_are_missing_or_do_not_increase(times, step):
    rows = table(frame=np.arange(4), time_s=pd.array(times, "Float64"), valence=np.zeros(4))
    assert align(example(np.arange(4)), rows, ["valence"]).step == (step and pytest.approx(step))


def test_the_step_of_labels_at_every_fifth_frame_is_five_frames_long():
    rows = table(frame=np.arange(50), time_s=np.arange(50) / 25, valence=np.zeros(50))
    assert align(example(np.arange(0, 50, 5)), rows, ["valence"]).step == pytest.approx(0.2)


def test_rows_of_a_fixed_clock_are_matched_by_time():
    rows = table(frame=pd.array([None, None], "Int64"), time_s=[0.0, 0.1], valence=[0.1, 0.2])
    timed = example(frames=np.arange(2), times=np.array([0.0, 0.1]))
    assert align(timed, rows, ["valence"]).values["valence"].tolist() == [0.1, 0.2]
    message = "2 rows have no frame; fill in the column, or use a pipeline that reads pictures"
    with pytest.raises(DatasetError, match=message):
        align(example(frames=np.arange(2)), rows, ["valence"])


def test_a_picture_cannot_be_aligned_with_a_table():
    with pytest.raises(DatasetError, match="neither frames nor times; score a picture with --model"):
        align(example(), table(frame=[0], time_s=[0.0], valence=[0.1]), ["valence"])


def test_a_label_of_a_whole_clip_takes_the_mean_of_the_rows_that_have_a_value():
    labels = replace(example(times=np.array([0.2])), whole_clip=True)
    rows = table(frame=range(5), time_s=[0.0, 0.1, 0.2, 0.3, 0.4], valence=[0.9, 0.1, np.nan, 0.2, np.nan])
    found = align(labels, rows, ["valence", "arousal"])
    assert found.values["valence"] == pytest.approx(0.4) and not found.filled["valence"].any()
    assert np.isnan(found.values["arousal"]).all()


def test_the_mean_over_a_whole_clip_is_that_of_the_largest_face():
    labels = replace(example(times=np.array([0.1])), whole_clip=True)
    boxes = {"face_x1": 0, "face_y1": 0, "face_x2": [50, 10, 50, 10], "face_y2": [50, 10, 50, 10]}
    rows = table(time_s=[0.0, 0.0, 0.1, 0.1], track=[0, 1, 0, 1], **boxes, valence=[0.2, -1.0, 0.4, -1.0])
    found = align(labels, rows, ["valence"])
    assert found.values["valence"] == pytest.approx(0.3) and found.other_faces == 2
