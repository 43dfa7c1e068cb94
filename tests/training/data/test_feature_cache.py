"""Features at the steps of labels: one row for each step, and the times of frames that have none."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avfer.datasets.example import Example, Labels
from avfer.errors import DatasetError
from avfer.training.data.feature_cache import SequenceFeatures, at_steps
from avfer.types import NO_TRACK


def steps(**changes: Any) -> Example:
    """Return an example with a label at each of these times or frames."""
    (places,) = changes.values()
    ones = np.ones(len(places))
    values = {name: np.array(places, np.int64 if name == "frames" else np.float64) for name in changes}
    return Example("anna", "train", {"valence": Labels(ones, ones > 0)}, video=Path("anna.mp4"), **values)


def rows(frames: list[int], fps: float = 10.0, tracks: list[int] | None = None) -> dict[str, np.ndarray]:
    """Return rows whose face feature is the number of the frame, and whose voice feature is minus that."""
    at, numbers = np.array(frames, np.int64), np.array(frames, np.float32)[:, None]
    boxes = np.tile(np.float32([0, 0, 10, 10]), (len(at), 1))
    ids = np.zeros(len(at), np.int64) if tracks is None else np.array(tracks)
    columns = {"frames": at, "times": at / fps, "tracks": ids, "boxes": boxes}
    return columns | {"face": numbers, "voice": -numbers, "has_voice": at % 2 == 0}


def found(features: SequenceFeatures) -> list[float]:
    return features.face[:, 0].tolist()


def test_a_step_has_the_row_of_its_frame_and_one_without_repeats_the_last():
    features = at_steps(steps(frames=[0, 1, 2, 4, 5]), rows([1, 2, 3, 5]))
    assert found(features) == [1, 1, 2, 2, 5] and features.voice[:, 0].tolist() == [-1, -1, -2, -2, -5]
    assert features.has_voice.tolist() == [False, False, True, True, False]


def test_frames_without_a_row_have_times_at_the_rate_of_those_with_one():
    """Every second frame of 10 Hz has a row, from frame 4 to 8 with one missing."""
    features = at_steps(steps(frames=[0, 3, 4, 5, 7, 12]), rows([4, 6, 8]))
    assert features.times == pytest.approx([0, 0.3, 0.4, 0.5, 0.7, 1.2])
    assert features.row_step == pytest.approx(0.2)


def test_missing_rows_leave_the_step_between_rows_as_it_is():
    features = at_steps(steps(times=[0.0, 0.1]), rows([0, 1, 2, 12, 13, 40, 70, 99]))
    assert features.row_step == pytest.approx(0.1)


def test_an_instant_without_a_face_has_none():
    features = at_steps(steps(frames=[0, 1, 2]), rows([0, 1, 2], tracks=[0, NO_TRACK, 1]))
    assert features.has_face.tolist() == [True, False, True]


@pytest.mark.parametrize("middle", [1.0, 0.0], ids=["known length", "unknown length"])
def test_a_label_of_a_whole_clip_has_a_step_at_every_row_of_the_largest_face(middle):
    example = replace(steps(times=[middle]), whole_clip=True)
    twice = rows([0, 1, 1, 2, 4], fps=60.0, tracks=[0, 0, 1, NO_TRACK, 0])
    twice["boxes"][1] *= 2
    features = at_steps(example, twice)
    assert features.times.tolist() == (np.array([0, 1, 2, 4]) / 60).tolist()
    assert found(features) == [0, 1, 2, 4] and features.has_face.tolist() == [True, True, False, True]


def test_a_label_of_a_whole_clip_without_any_row_has_one_step():
    features = at_steps(replace(steps(times=[1.0]), whole_clip=True), rows([]))
    assert len(features) == 1 and not features.has_face.any() and not features.has_voice.any()


def test_without_any_row_there_is_neither_face_nor_voice_and_steps_are_frames_of_25_hz():
    features = at_steps(steps(frames=[3, 4, 5]), rows([]))
    assert features.times == pytest.approx([0, 0.04, 0.08]) and features.face.shape == (3, 1)
    assert not features.has_face.any() and not features.has_voice.any() and np.isnan(features.row_step)


def test_labels_beside_all_rows_are_an_error_with_both_ranges():
    message = r"anna: labels cover 50\.0 to 60\.0 s, but anna\.mp4 covers 0\.0 to 0\.3 s"
    with pytest.raises(DatasetError, match=message):
        at_steps(steps(times=[50.0, 60.0]), rows([0, 1, 3]))
