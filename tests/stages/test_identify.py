"""identify_persons: one number for one person, across cuts and absences."""

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

import avfer
from avfer.errors import ConfigError
from avfer.models.prediction import Prediction
from avfer.models.weights import builtin_card
from avfer.rows import no_faces
from avfer.signal.geometry import ARCFACE
from avfer.stages.detect import DetectFaces
from avfer.stages.identify import MAX_EXEMPLARS, MAX_PERSONS, IdentifyPersons, Person
from avfer.stages.track import TrackFaces
from avfer.types import NO_PERSON, FaceTracks, FrameBatch
from tests.laws import assert_same, clock, feed, part
from tests.pictures import batch, face_at, no_face

CPU = torch.device("cpu")
COUNT = 42


@cache
def identify(**options: float) -> IdentifyPersons:
    stage = IdentifyPersons(**options)
    stage.load(CPU)
    return stage


def stranger() -> np.ndarray:
    """Return the face of the photograph as another person: narrower, mirrored, with other colours."""
    face = face_at(0)[:, ::-1, ::-1]
    narrow = np.repeat(face[:, 40:240:2], 2, 1)[:, :200]
    return np.ascontiguousarray(np.pad(narrow, ((0, 0), (40, 40), (0, 0)), mode="edge"))


def tracked(frames: FrameBatch) -> FaceTracks:
    detect = DetectFaces(every=2)
    detect.load(CPU)
    return feed(TrackFaces(), [frames, detect(frames)], [])


@cache
def clip() -> tuple[FrameBatch, FaceTracks]:
    """Return a clip in which a person is there, leaves after a cut and is back in another place after the next cut."""
    frames = batch([face_at(0)] * 12 + [no_face()] * 14 + [face_at(25, 10)] * (COUNT - 26))
    return frames, tracked(frames)


def test_a_person_has_the_same_number_after_cuts_and_an_absence() -> None:
    frames, tracks = clip()
    rows = feed(identify(), [frames, tracks], [])
    assert set(rows.track_ids) == {0, 1}
    assert set(rows.person_ids) == {0}


def test_tracks_and_boxes_stay_as_they_were() -> None:
    frames, tracks = clip()
    rows = feed(identify(), [frames, tracks], [])
    for name in ("frames", "boxes", "landmarks", "scores", "track_ids"):
        np.testing.assert_array_equal(getattr(rows, name), getattr(tracks, name))


@settings(max_examples=6, deadline=None)
@example([COUNT])
@example([0, 13, 13, 27])
@given(st.lists(st.integers(0, COUNT), max_size=4))
def test_chunks_change_no_person(where: list[int]) -> None:
    frames, tracks = clip()
    assert_same(feed(identify(), [frames, tracks], where), feed(identify(), [frames, tracks], []))


def test_persons_who_are_visible_together_have_two_numbers() -> None:
    frames = batch([np.concatenate([face_at(0), face_at(0)], 1)] * 10)
    rows = feed(identify(), [frames, tracked(frames)], [])
    assert rows.person_ids.tolist() == [0, 1] * 10


def test_one_who_appears_beside_a_double_is_another_person() -> None:
    alone, both = (np.concatenate([face_at(0), other], 1) for other in (no_face(), face_at(0)))
    frames = batch([alone] * 10 + [both] * 10)
    rows = feed(identify(), [frames, tracked(frames)], [])
    assert rows.person_ids.tolist() == [0] * 10 + [0, 1] * 10


def test_two_who_change_places_after_a_cut_keep_their_numbers() -> None:
    first, second = face_at(0), stranger()
    frames = batch([np.concatenate([first, second], 1)] * 10 + [np.concatenate([second, first], 1)] * 10)
    rows = feed(identify(), [frames, tracked(frames)], [])
    assert len(set(rows.person_ids)) == 2
    left = {
        frame: rows.person_ids[rows.frames == frame][rows.boxes[rows.frames == frame, 0].argmin()] for frame in (0, 19)
    }
    assert left[0] != left[19]


def test_a_higher_threshold_makes_more_persons() -> None:
    frames, tracks = clip()
    assert set(feed(identify(min_likeness=1.5), [frames, tracks], []).person_ids) == {0, 1}


def test_a_clip_without_faces_gives_no_rows() -> None:
    frames = batch([no_face()] * 4)
    assert len(feed(identify(), [frames, no_faces(clock(4))], [])) == 0


def test_a_person_remembers_the_most_different_looks() -> None:
    person = Person(0, np.eye(16, dtype=np.float32)[:1], np.ones((1, 4), np.float32) / 2, 0)
    for i in [*range(1, MAX_EXEMPLARS), 1, 1]:
        person = person.remember(np.eye(16, dtype=np.float32)[i], np.full(4, 0.5, np.float32), i)
    assert len(person.embeddings) == MAX_EXEMPLARS
    assert person.embeddings.sum(0)[:MAX_EXEMPLARS].tolist() == [1] * MAX_EXEMPLARS


def test_rows_without_identification_have_no_person() -> None:
    assert set(clip()[1].person_ids) == {NO_PERSON}


def test_the_network_is_small_and_its_card_names_data_and_licence() -> None:
    card = builtin_card("identity_lite")
    assert sum(p.numel() for p in avfer.create("identity_lite").parameters()) <= 300_000
    assert "not shipped" in card.licence_weights and "news photographs" in card.data


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "identity_light"}, "identity_lite"),
        ({"min_likeness": 3.0}, "min_likeness"),
        ({"ahead": -1}, "ahead"),
        ({"every": 0.0}, "every"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        IdentifyPersons(**options)  # pyright: ignore[reportArgumentType]


def test_the_number_of_remembered_persons_is_bounded() -> None:
    assert MAX_PERSONS * MAX_EXEMPLARS * (128 + 512) * 4 < 10e6  # bytes


def test_rows_wait_only_where_a_track_begins() -> None:
    frames, tracks = clip()
    stage, stops = identify(), list[int]()
    state = stage.start()
    for start, stop in ((0, 6), (6, 7), (7, 10)):
        state, rows = stage.step(state, part(frames, start, stop), part(tracks, start, stop))
        stops.append(rows.clock.stop)
    assert stops == [0, 7, 10]


def test_a_long_track_is_looked_at_more_and_more_rarely() -> None:
    """At 5 frames per second: two faces where it begins, then one after 1.5, 3, 6 and 12 s each."""
    count, stage = 5 * 50, IdentifyPersons()
    stage.load(CPU)
    predictor, batches = stage._predictor, list[int]()  # pyright: ignore[reportPrivateUsage]
    assert predictor is not None

    def counted(pixels: torch.Tensor) -> Prediction:
        batches.append(len(pixels))
        return predictor(pixels)

    stage._predictor = counted  # pyright: ignore[reportPrivateUsage]
    times = clock(count, fps=5.0)
    points = np.tile(np.array(ARCFACE, np.float32) * 24, (count, 1, 1))
    boxes, ones = np.tile(np.float32([0, 0, 24, 24]), (count, 1)), np.ones(count, np.float32)
    tracks = FaceTracks(times, np.arange(count), boxes, points, ones, np.zeros(count, np.int64))
    frames = FrameBatch(times, torch.zeros(count, 24, 24, 3, dtype=torch.uint8))
    assert set(feed(stage, [frames, tracks], [40]).person_ids) == {0}
    assert batches == [2, *[1] * 6]  # 0; 1.6, 4.6, 10.6, 22.6, 34.6, 46.6 s
