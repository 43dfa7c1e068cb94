"""identify_persons: one number for one person, across cuts and absences."""

from collections.abc import Generator
from contextlib import contextmanager
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

import avfer
from avfer.errors import ConfigError
from avfer.models.card_files import builtin_card
from avfer.models.prediction import Prediction
from avfer.rows import no_faces
from avfer.signal.geometry import ARCFACE, warp
from avfer.stages import identify as module
from avfer.stages.detect import DetectFaces
from avfer.stages.identify import MAX_LOOKS, MAX_PERSONS, IdentifyPersons, Look, most_different
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
    directions = np.eye(16, dtype=np.float32)
    order = [*range(MAX_LOOKS), 1, 1]
    looks = most_different([Look(np.full(4, 0.5, np.float32), None, directions[i]) for i in order])
    assert len(looks) == MAX_LOOKS
    assert {look.embedding.argmax() for look in looks if look.embedding is not None} == set(range(MAX_LOOKS))


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
    assert MAX_PERSONS * MAX_LOOKS * (128 + 512) * 4 < 10e6  # bytes
    assert MAX_PERSONS * MAX_LOOKS * (64 * 64 * 3 + 512 * 4) < 30e6  # bytes of those who were never compared


def test_rows_wait_only_where_a_track_begins() -> None:
    frames, tracks = clip()
    stage, stops = identify(), list[int]()
    state = stage.start()
    for start, stop in ((0, 6), (6, 7), (7, 10)):
        state, rows = stage.step(state, part(frames, start, stop), part(tracks, start, stop))
        stops.append(rows.clock.stop)
    assert stops == [0, 7, 10]


@contextmanager
def batches_of(stage: IdentifyPersons) -> Generator[list[int]]:
    """Collect the number of faces of each batch of the network."""
    predictor, batches = stage._predictor, list[int]()  # pyright: ignore[reportPrivateUsage]
    assert predictor is not None

    def predict(pixels: torch.Tensor) -> Prediction:
        batches.append(len(pixels))
        return predictor(pixels)

    stage._predictor = predict  # pyright: ignore[reportPrivateUsage]
    yield batches
    stage._predictor = predictor  # pyright: ignore[reportPrivateUsage]


def test_a_long_track_is_looked_at_more_and_more_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 5 frames per second: two faces where it begins, then one after 1.5, 3, 6 and 12 s each."""
    count, looked_at = 5 * 60, list[int]()

    def counted(picture: torch.Tensor, to_picture: np.ndarray, side: int) -> torch.Tensor:
        looked_at.append(int(picture[0, 0, 0]) + 256 * int(picture[0, 0, 1]))
        return warp(picture, to_picture, side)

    monkeypatch.setattr(module, "warp", counted)
    times = clock(count, fps=5.0)
    points = np.tile(np.array(ARCFACE, np.float32) * 24, (count, 1, 1))
    boxes, ones = np.tile(np.float32([0, 0, 24, 24]), (count, 1)), np.ones(count, np.float32)
    tracks = FaceTracks(times, np.arange(count), boxes, points, ones, np.zeros(count, np.int64))
    pixels = torch.zeros(count, 24, 24, 3, dtype=torch.uint8)
    index = torch.arange(count)[:, None, None]
    pixels[..., 0], pixels[..., 1] = index % 256, index // 256
    with batches_of(identify()) as batches:
        assert set(feed(identify(), [FrameBatch(times, pixels), tracks], [40]).person_ids) == {0}
    assert looked_at == [0, 6, 8, 23, 53, 113, 173, 233, 293]
    assert batches == [MAX_LOOKS + 1]  # to choose those that are remembered


def test_the_network_does_not_run_for_persons_who_are_all_visible() -> None:
    frames = batch([np.concatenate([face_at(0), face_at(0)], 1)] * 10)
    with batches_of(identify()) as batches:
        assert set(feed(identify(), [frames, tracked(frames)], []).person_ids) == {0, 1}
    assert batches == []


def test_the_network_runs_once_where_a_person_is_back() -> None:
    with batches_of(identify()) as batches:
        feed(identify(), list(clip()), [])
    assert batches == [2 + 2]  # two faces of either track
