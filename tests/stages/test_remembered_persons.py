"""identify_persons: which looks of a person are compared, and who is forgotten, with faces of one colour each."""

import numpy as np
import pytest
import torch

from avfer.models.prediction import Prediction
from avfer.signal.geometry import ARCFACE
from avfer.stages import identify
from avfer.stages.identify import IdentifyPersons
from avfer.types import FaceTracks, FrameBatch
from tests.laws import clock, feed

SIDE = 24  # px of a face
# Colour and embedding of each face: a, b and c differ by 90 degrees; a differs from l and r by 60, which differ by 120.
FACES = {
    "a": ((220, 30, 30), (1.0, 0.0, 0.0)),
    "b": ((30, 220, 30), (0.0, 0.0, 1.0)),
    "c": ((30, 30, 220), (-1.0, 0.0, 0.0)),
    "l": ((220, 220, 30), (0.5, 0.75**0.5, 0.0)),
    "r": ((30, 220, 220), (0.5, -(0.75**0.5), 0.0)),
}
Rows = list[tuple[int, int, int, str]]  # frame, track, place from the left, face


@pytest.fixture(scope="module")
def stage() -> IdentifyPersons:
    """Return the stage with a network that distinguishes faces by their colours."""
    stage = IdentifyPersons(ahead=2, every=1000)
    stage.load(torch.device("cpu"))
    colours = torch.tensor([colour for colour, _ in FACES.values()], dtype=torch.float32)
    embeddings = torch.tensor([embedding for _, embedding in FACES.values()])
    mean, std = (torch.tensor(values) * 255 for values in (stage.card.mean, stage.card.std))

    def predict(pixels: torch.Tensor) -> Prediction:
        middle = pixels.shape[2] // 2
        seen = pixels[:, :, middle, middle] * std + mean
        seen = seen.flip(1) if stage.card.colour == "bgr" else seen
        return Prediction(features=embeddings[torch.cdist(seen, colours).argmin(1)])

    stage._predictor = predict  # pyright: ignore[reportPrivateUsage]
    return stage


def persons(stage: IdentifyPersons, rows: Rows, picture: np.ndarray | None = None) -> list[int]:
    """Return the person of each row, of a clip at 1 Hz; picture: of every frame, in place of faces of one colour."""
    rows, count = sorted(rows), max(frame for frame, *_ in rows) + 1
    pixels = np.zeros((count, SIDE, 3 * SIDE, 3), np.uint8)
    for frame, _, place, face in rows:
        pixels[frame, :, place * SIDE : (place + 1) * SIDE] = FACES[face][0] if picture is None else picture
    frames, tracks, places = (np.array([row[column] for row in rows]) for column in range(3))
    left = (places * SIDE)[:, None].astype(np.float32)
    zero, side = np.zeros_like(left), np.full_like(left, SIDE)
    landmarks = np.array(ARCFACE, np.float32) * SIDE + np.concatenate([left, zero], 1)[:, None]
    times = clock(count, fps=1.0)
    boxes = np.concatenate([left, zero, left + SIDE, side], 1)
    known = FaceTracks(times, frames, boxes, landmarks, np.ones(len(rows), np.float32), tracks)
    return feed(stage, [FrameBatch(times, torch.from_numpy(pixels)), known], []).person_ids.tolist()


def one_after_another(faces: str) -> Rows:
    """Return a track of one frame for each face."""
    return [(number, number, 0, face) for number, face in enumerate(faces)]


def test_persons_are_known_by_their_faces(stage: IdentifyPersons) -> None:
    assert persons(stage, one_after_another("abcabc")) == [0, 1, 2, 0, 1, 2]


def test_who_was_absent_longest_is_forgotten_first(stage: IdentifyPersons, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identify, "MAX_PERSONS", 2)
    assert persons(stage, one_after_another("abacab")) == [0, 1, 0, 2, 0, 3]


def test_a_further_look_counts_as_presence(stage: IdentifyPersons, monkeypatch: pytest.MonkeyPatch) -> None:
    """The track of a begins before that of b, and lasts longer."""
    monkeypatch.setattr(identify, "MAX_PERSONS", 2)
    monkeypatch.setattr(stage, "every", 1.0)
    rows: Rows = [*((frame, 0, 0, "a") for frame in range(6)), (1, 1, 1, "b"), (7, 2, 0, "c"), (9, 3, 0, "a")]
    assert persons(stage, rows)[-2:] == [2, 0]


def test_the_tracks_that_began_last_are_remembered(stage: IdentifyPersons, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identify, "MAX_TRACKS", 2)
    assert persons(stage, one_after_another("abcab")) == [0, 1, 2, 0, 1]


def test_a_new_track_is_compared_by_the_mean_of_its_first_and_last_face(
    stage: IdentifyPersons, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mean of l and r is a, and neither of them alone is like a."""
    monkeypatch.setattr(stage, "min_likeness", 0.9)
    rows: Rows = [(0, 0, 0, "a"), (1, 1, 0, "l"), (2, 1, 0, "b"), (3, 1, 0, "r")]
    assert persons(stage, rows) == [0] * 4
    assert persons(stage, [*rows[:3], (3, 1, 0, "l")]) == [0, 1, 1, 1]


def test_the_most_similar_look_of_a_person_counts(stage: IdentifyPersons, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "every", 1.0)
    monkeypatch.setattr(stage, "min_likeness", 1.2)
    rows: Rows = [(0, 0, 0, "a"), (1, 0, 0, "a"), (2, 0, 0, "a"), (3, 0, 0, "c"), (5, 1, 0, "a"), (7, 2, 0, "c")]
    assert persons(stage, rows) == [0] * 6


def test_equal_colours_count_by_half_whatever_their_number(
    stage: IdentifyPersons, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network sees b: the cosine is 1, and the same colours add 0.5, although each has half of the pixels."""
    picture = np.repeat(np.array([[FACES["b"][0]], [FACES["a"][0]]], np.uint8), SIDE // 2, 0)
    monkeypatch.setattr(stage, "min_likeness", 1.49)
    assert persons(stage, one_after_another("bb"), picture) == [0, 0]
    monkeypatch.setattr(stage, "min_likeness", 1.5)
    assert persons(stage, one_after_another("bb"), picture) == [0, 1]


def test_a_new_track_is_not_the_person_beside_it_whom_another_new_track_may_show(stage: IdentifyPersons) -> None:
    """Track 1 is beside track 0 of person 0; track 2 ends before and is compared with her."""
    rows: Rows = [(0, 0, 0, "a"), (2, 1, 0, "a"), (2, 2, 1, "b"), (3, 1, 0, "a"), (3, 0, 2, "a")]
    assert persons(stage, rows) == [0, 1, 2, 0, 1]
