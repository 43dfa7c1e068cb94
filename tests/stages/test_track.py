"""track_faces: short tracks of low score, faces that leave the picture, low frame rates, the dark."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from avfer.models.detectors.mtcnn import Mtcnn
from avfer.rows import concat
from avfer.signal.cuts import Change
from avfer.stages import track
from avfer.stages.between_key_frames import IntervalFiller
from avfer.stages.buffers import FrameBuffer
from avfer.stages.detect import DetectFaces
from avfer.stages.frame_search import Faces, SearchableFrames
from avfer.stages.track import TrackFaces, TrackingState
from avfer.types import FaceTracks, FrameBatch
from tests.laws import clock, feed, part
from tests.pictures import astronaut, batch, face_at, no_face
from tests.toy_detector import SQUARE, Squares

CPU = torch.device("cpu")
POINTS = np.array([[15.0, 18], [25, 18], [20, 24], [16, 30], [24, 30]], np.float32)


def tracked(frames: FrameBatch, **options: int) -> FaceTracks:
    detect = DetectFaces()
    detect.load(CPU)
    return feed(TrackFaces(**options), [frames, detect(frames)], [])  # pyright: ignore[reportArgumentType]


def followed(scores: list[float], cuts: list[int], min_length: int = 5) -> FaceTracks:
    """Return the rows of a face in place that has a score per frame, 0 where it is not found; fed in chunks."""
    frames = FrameBatch(clock(len(scores)), torch.full((len(scores), 60, 60, 3), 90, dtype=torch.uint8))
    stage, state, parts = TrackFaces(min_length=min_length, max_gap=0.05), TrackingState(), []
    for start, stop in zip([0, *cuts], [*cuts, len(scores)], strict=True):
        chunk = part(frames, start, stop, last=stop == len(scores))
        state = replace(state, frames=state.frames.add(chunk))
        faces = [_faces(score) for score in scores[start:stop]]
        state, rows = stage._assign_tracks(state, faces, chunk.clock)  # pyright: ignore[reportPrivateUsage]
        state, rows = stage._output(state, rows)  # pyright: ignore[reportPrivateUsage]
        parts.append(rows)
    return concat(parts)


def _faces(score: float) -> Faces:
    n = int(score > 0)
    box = np.array([[10, 10, 30, 34]], np.float32)[:n]
    return Faces(box, np.full(n, score, np.float32), POINTS[None][:n])


def joined(first: Faces, second: Faces) -> Faces:
    return Faces(*(np.concatenate([vars(first)[name], value]) for name, value in vars(second).items()))


GHOST = [0.7, 0.7, 0, 0, 0, 0, 0.99, 0.99, 0.99, 0.99, 0.99, 0.99, 0.99]


@pytest.mark.parametrize("cuts", [[], [1], [2, 5, 6], [7, 11]])
def test_a_short_track_of_low_score_is_dropped_wherever_the_clip_is_cut(cuts: list[int]) -> None:
    rows = followed(GHOST, cuts)
    assert rows.frames.tolist() == list(range(6, 13))
    assert set(rows.track_ids) == {0}


def test_a_short_track_of_high_score_and_a_long_one_of_low_score_are_kept() -> None:
    assert followed([0.95, 0.95, 0, 0, 0, 0], []).frames.tolist() == [0, 1]
    assert followed([0.7] * 6, []).frames.tolist() == list(range(6))


@pytest.mark.parametrize("cuts", [[], [1]])
def test_a_face_of_low_score_is_kept_in_all_frames_of_a_clip_shorter_than_the_length(cuts: list[int]) -> None:
    assert followed([0.7], []).frames.tolist() == [0]
    assert followed([0.7, 0.7, 0.7], cuts).frames.tolist() == [0, 1, 2]
    assert followed([0.7, 0, 0], cuts).frames.tolist() == []


def test_a_short_track_is_judged_by_its_mean_score() -> None:
    assert followed([0.95, 0.7, 0, 0, 0, 0], []).frames.tolist() == []
    assert followed([0.99, 0.83, 0, 0, 0, 0], []).frames.tolist() == [0, 1]


@pytest.mark.parametrize(("absent", "tracks"), [(0, {0}), (1, {0, 1})])
def test_a_track_ends_after_the_longest_gap(absent: int, tracks: set[int]) -> None:
    """The longest gap is 0.05 s here; with one frame missing, 0.08 s lie between two faces."""
    assert set(followed([0.95] * 6 + [0] * absent + [0.95] * 6, []).track_ids) == tracks


@pytest.mark.parametrize(("change", "tracks"), [(Change.MOTION, {0}), (Change.CUT, {0, 1})])
def test_a_cut_ends_the_track_of_a_face_that_is_not_on_its_frame(
    monkeypatch: pytest.MonkeyPatch, change: Change, tracks: set[int]
) -> None:
    changes = iter([Change.MOTION] * 5 + [change] + [Change.MOTION] * 6)  # of the frames 1 to 12
    monkeypatch.setattr(track, "change", lambda *_: next(changes))
    frames = FrameBatch(clock(13), torch.full((13, 60, 60, 3), 90, dtype=torch.uint8))
    stage, state = TrackFaces(max_gap=1.0), TrackingState()
    state = replace(state, frames=state.frames.add(frames))
    faces = [_faces(0.0 if frame == 6 else 0.95) for frame in range(13)]
    _, rows = stage._assign_tracks(state, faces, frames.clock)  # pyright: ignore[reportPrivateUsage]
    assert set(rows.track_ids) == tracks


def test_rows_of_a_frame_are_ordered_by_track_even_if_an_earlier_track_is_kept_later() -> None:
    pictures = torch.full((16, 60, 60, 3), 90, dtype=torch.uint8)
    right = Faces(np.array([[35, 10, 55, 34]], np.float32), np.ones(1, np.float32), POINTS[None] + [25, 0])
    faces = [_faces(0.7 if i < 2 else 0.99 if i > 5 else 0.0) for i in range(16)]
    both = [joined(found, right) if i > 1 else found for i, found in enumerate(faces)]
    stage, state = TrackFaces(), TrackingState()
    state = replace(state, frames=state.frames.add(FrameBatch(clock(16), pictures)))
    state, rows = stage._assign_tracks(state, both, clock(16))  # pyright: ignore[reportPrivateUsage]
    rows = stage._output(state, rows)[1]  # pyright: ignore[reportPrivateUsage]
    assert rows.track_ids[rows.frames == 10].tolist() == [0, 1]
    assert rows.boxes[rows.frames == 10, 0].tolist() == [35, 10]


def test_rows_wait_only_where_a_track_begins() -> None:
    frames = FrameBatch(clock(12), torch.full((12, 60, 60, 3), 90, dtype=torch.uint8))
    stage, state, stops = TrackFaces(min_length=5), TrackingState(), list[int]()
    for start, stop in ((0, 4), (4, 6), (6, 9)):
        chunk = part(frames, start, stop)
        state = replace(state, frames=state.frames.add(chunk))
        state, rows = stage._assign_tracks(state, [_faces(0.9)] * (stop - start), chunk.clock)  # pyright: ignore[reportPrivateUsage]
        state, rows = stage._output(state, rows)  # pyright: ignore[reportPrivateUsage]
        stops.append(rows.clock.stop)
    assert stops == [0, 6, 9]


def test_a_length_of_one_frame_drops_nothing_and_delays_nothing() -> None:
    assert followed(GHOST, [], min_length=1).frames.tolist() == [0, 1, *range(6, 13)]


def test_boxes_far_outside_the_picture_never_appear() -> None:
    wide = np.pad(astronaut(), ((0, 0), (300, 300), (0, 0)), mode="edge")
    frames = batch([wide[20:220, 390 + 8 * i : 670 + 8 * i] for i in range(24)])  # the face leaves to the left
    rows = tracked(frames)
    visible = np.minimum(rows.boxes[:, 2], 280) - np.maximum(rows.boxes[:, 0], 0)
    assert len(rows) and (visible / (rows.boxes[:, 2] - rows.boxes[:, 0]) >= 0.5).all()


@pytest.mark.parametrize("fps", [25.0, 10.0, 5.0])
def test_a_face_that_swings_through_the_picture_is_one_track_at_any_rate(fps: float) -> None:
    times = np.arange(round(4 * fps)) / fps
    frames = batch([face_at(25 * np.sin(2.2 * t), 12 * np.sin(3 * t)) for t in times], fps)
    rows = tracked(frames)
    assert set(rows.track_ids) == {0}
    assert len(rows) == len(times)


@pytest.mark.parametrize("share", [0.25, 0.12, 0.05])
def test_a_face_is_found_in_a_dark_picture(share: float) -> None:
    dark = [np.round(face_at(i) * share).astype(np.uint8) for i in range(12)]
    assert len(tracked(batch(dark))) == 12


def test_frames_between_calm_key_frames_are_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = count_searches(monkeypatch)
    frames = batch([face_at(0)] * 31)
    rows = tracked(frames)
    assert len(searched) == 2  # 0, and 30, which is the last frame too
    assert rows.frames.tolist() == list(range(31))
    assert (rows.scores > 0.9).all()


def test_frames_are_searched_every_tenth_time_if_the_distance_is_fixed_or_no_face_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frames, searched = batch([no_face()] * 31), count_searches(monkeypatch)
    tracked(frames)
    assert len(searched) == 4  # 0, 10, 20 and 30
    detect = DetectFaces(calm=1)
    detect.load(CPU)
    assert detect(frames).key_frames.tolist() == [0, 10, 20, 30]


def test_a_second_face_between_two_calm_key_frames_is_found_on_each_of_its_frames() -> None:
    pictures = [np.concatenate([face_at(0), face_at(0) if 7 <= i < 24 else no_face()], 1) for i in range(31)]
    rows = tracked(batch(pictures))
    right = rows.boxes[:, 0] > 280
    assert rows.frames[~right].tolist() == list(range(31))
    assert rows.frames[right].tolist() == list(range(7, 24))


def test_a_change_without_a_face_is_searched_around_its_place_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = count_searches(monkeypatch)
    pictures = [np.concatenate([face_at(0), no_face()], 1) for _ in range(31)]
    pictures[10][:40, 480:520] = 255
    rows = tracked(batch(pictures))
    whole = 200 * 560
    assert searched.count(whole) == 2  # 0 and 30
    assert len(searched) == 5 and max(sorted(searched)[:3]) < whole / 2  # the change, the face on frames 10 and 20
    assert rows.frames.tolist() == list(range(31))


def test_a_face_of_one_key_frame_alone_is_searched_near_its_place_and_keeps_its_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searched = count_searches(monkeypatch)
    pictures = [np.concatenate([face_at(0), face_at(0) if i == 30 else no_face()], 1) for i in range(61)]
    rows = tracked(batch(pictures))
    right = rows.boxes[:, 0] > 280
    assert searched.count(200 * 560) == 3  # 0, 30 and 60
    assert rows.frames[~right].tolist() == list(range(61))
    assert rows.frames[right].tolist() == [30]


def test_a_face_that_comes_is_found_if_every_frame_is_a_key_frame() -> None:
    frames, detect = batch([no_face()] * 2 + [face_at(0)] * 3), DetectFaces(every=1, calm=1)
    detect.load(CPU)
    rows = feed(TrackFaces(), [frames, detect(frames)], [])
    assert rows.frames.tolist() == [2, 3, 4]


def test_key_frames_lie_closer_in_large_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Mtcnn, "search", lambda *_: (torch.zeros(0, 4), torch.zeros(0)))
    detect = DetectFaces()
    detect.load(CPU)
    for height, width, distance in ((720, 1280, 30), (1080, 1920, 20), (2160, 3840, 10)):
        pixels = torch.zeros(1, dtype=torch.uint8).expand(41, height, width, 3)
        assert detect(FrameBatch(clock(41), pixels)).key_frames.tolist() == list(range(0, 41, distance))


def test_a_lost_face_is_refined_again_from_a_smaller_and_a_larger_box(monkeypatch: pytest.MonkeyPatch) -> None:
    def from_large_boxes_alone(_clip: object, frames: np.ndarray, boxes: np.ndarray) -> Faces:
        scores = np.where(boxes[:, 2] - boxes[:, 0] > 22, 0.95, 0.3).astype(np.float32)
        return Faces(boxes.astype(np.float32), scores, np.repeat(POINTS[None], len(frames), 0))

    monkeypatch.setattr(SearchableFrames, "refine", from_large_boxes_alone)
    frames = FrameBatch(clock(4), torch.full((4, 60, 60, 3), 90, dtype=torch.uint8))
    clip = SearchableFrames(FrameBuffer().add(frames).picture, Mtcnn(), 20, 0.8)
    faces = IntervalFiller(clip, min_score=0.6, searches_left=0).fill(0, _faces(0.9), 4, _faces(0.9))
    assert [found.scores.tolist() for found in faces] == [[pytest.approx(0.95)]] * 4
    np.testing.assert_allclose(faces[2].boxes, [[8.5, 8.2, 31.5, 35.8]], atol=1e-4)  # 1.15 times as large


@pytest.mark.parametrize(("left", "kept"), [(44, True), (46, False), (-14, True), (-16, False)])
def test_a_face_is_kept_while_half_of_its_box_is_inside_the_picture(
    monkeypatch: pytest.MonkeyPatch, left: float, kept: bool
) -> None:
    """The box is 30 px wide, the picture 60."""

    def unchanged(_clip: object, frames: np.ndarray, boxes: np.ndarray) -> Faces:
        points = np.repeat(POINTS[None], len(frames), 0)
        return Faces(boxes.astype(np.float32), np.full(len(frames), 0.95, np.float32), points)

    monkeypatch.setattr(SearchableFrames, "refine", unchanged)
    frames = FrameBatch(clock(4), torch.full((4, 60, 60, 3), 90, dtype=torch.uint8))
    clip = SearchableFrames(FrameBuffer().add(frames).picture, Mtcnn(), 20, 0.8)
    face = Faces(np.array([[left, 10, left + 30, 40]], np.float32), np.full(1, 0.95, np.float32), POINTS[None])
    faces = IntervalFiller(clip, min_score=0.6, searches_left=0).fill(0, face, 3, face)
    assert [len(found.boxes) for found in faces] == [int(kept)] * 3


def squares(places: list[tuple[int, int]]) -> FrameBatch:
    """Return one frame for each place (x, y), with a red square of 40 px there, which the toy detector finds."""
    pixels = np.full((len(places), 120, 480, 3), 60, np.uint8)
    for frame, (x, y) in zip(pixels, places, strict=True):
        frame[y : y + 40, x : x + 40] = SQUARE
    return FrameBatch(clock(len(places)), torch.from_numpy(pixels))


def between_ends(places: list[tuple[int, int]], max_searches: int = 0) -> list[list[float]]:
    """Return the left sides of the boxes on each frame but the last, found between the first and the last frame."""
    clip = SearchableFrames(FrameBuffer().add(squares(places)).picture, Squares(), 20, 0.8)  # pyright: ignore
    last = len(places) - 1
    filler = IntervalFiller(clip, min_score=0.6, searches_left=max_searches)
    return [found.boxes[:, 0].tolist() for found in filler.fill(0, clip.search(0), last, clip.search(last))]


def test_a_face_that_moves_further_than_its_size_between_key_frames_is_found_without_a_search() -> None:
    places = [(20 + 30 * i, 20 + 3 * i) for i in range(11)]
    assert between_ends(places) == [[pytest.approx(x, abs=1)] for x, _ in places[:-1]]


def test_two_faces_that_come_and_go_at_a_cut_are_not_one_that_moves() -> None:
    places = [(20, 20)] * 5 + [(400, 60)] * 6
    assert between_ends(places) == [[20]] * 5 + [[400]] * 5


def count_searches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the detector add the number of pixels that it searches to the returned list."""
    calls, search = list[int](), Mtcnn.search

    def counted(network: Mtcnn, picture: torch.Tensor, min_size: float) -> tuple[torch.Tensor, torch.Tensor]:
        calls.append(picture[..., 0].numel())
        return search(network, picture, min_size)

    monkeypatch.setattr(Mtcnn, "search", counted)
    return calls
