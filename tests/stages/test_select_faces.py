"""Which faces are predicted: a region of the picture, and the option `person` of align_faces."""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from avfer.errors import AvferWarning, ConfigError, MediaError
from avfer.pipeline import load
from avfer.signal.geometry import ARCFACE
from avfer.stages.align import AlignFaces
from avfer.stages.detect import RegionDetector
from avfer.stages.select_faces import select_faces
from avfer.types import NO_PERSON, FaceTracks, FrameBatch
from tests.laws import clock, feed
from tests.media_maker import write_clip

DEMO = Path(__file__).parents[1] / "data" / "demo.mp4"
BOXES = [[50, 0, 90, 40], [0, 0, 30, 30], [10, 0, 100, 90], [20, 0, 25, 5]]


def tracks() -> FaceTracks:
    """Two faces on each of frames 0 and 1, none on frame 2."""
    return FaceTracks(
        clock(3),
        frames=np.array([0, 0, 1, 1]),
        boxes=np.array(BOXES, np.float32),
        landmarks=np.zeros((4, 5, 2), np.float32),
        scores=np.ones(4, np.float32),
        track_ids=np.array([0, 1, 0, 2]),
        person_ids=np.array([0, 1, 0, 1]),
    )


@pytest.mark.parametrize(
    ("person", "rows"),
    [("all", [0, 1, 2, 3]), ("largest", [0, 2]), ("leftmost", [1, 3]), (1, [1, 3]), (0, [0, 2]), (9, [])],
)
def test_faces_are_kept_by_size_place_or_person(person: str | int, rows: list[int]) -> None:
    found = select_faces(tracks(), person)
    np.testing.assert_array_equal(found.boxes, np.array(BOXES, np.float32)[rows])
    assert len(found.clock) == 3


def test_the_largest_face_has_the_largest_area_and_is_not_the_widest() -> None:
    """600 px wide and low, then 500 px high and narrow, then a square of 400 px."""
    boxes = np.array([[0, 0, 600, 100], [0, 0, 100, 500], [0, 0, 400, 400], [9, 9, 10, 10]], np.float32)
    whole = replace(tracks(), frames=np.zeros(4, np.int64), boxes=boxes)
    assert select_faces(whole, "largest").boxes.tolist() == [[0, 0, 400, 400]]


def test_a_number_means_a_person_also_where_some_faces_have_none() -> None:
    found = select_faces(replace(tracks(), person_ids=np.array([NO_PERSON, 1, 0, NO_PERSON])), 0)
    assert found.frames.tolist() == [1] and found.person_ids.tolist() == [0]


def test_a_number_means_a_track_where_persons_are_not_identified() -> None:
    whole = tracks()
    plain = FaceTracks(whole.clock, whole.frames, whole.boxes, whole.landmarks, whole.scores, whole.track_ids)
    assert select_faces(plain, 2).frames.tolist() == [1]


@pytest.mark.parametrize("person", ["smallest", -1, 1.5])
def test_an_unknown_choice_of_faces_is_refused(person: object) -> None:
    with pytest.raises(ConfigError, match="person"):
        AlignFaces(person=person)


def test_a_person_that_a_clip_does_not_have_is_a_warning_with_those_that_it_has() -> None:
    pictures = FrameBatch(clock(3), torch.zeros((3, 96, 128, 3), dtype=torch.uint8))
    rows = replace(tracks(), landmarks=np.tile(np.float32(ARCFACE) * 40, (4, 1, 1)))
    with pytest.warns(AvferWarning, match=r"no face has the number 3; the clip has: 0, 1$"):
        feed(AlignFaces(size=16, person=3), [pictures, rows], [1, 2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        feed(AlignFaces(size=16, person=1), [pictures, rows], [1, 2])


@pytest.fixture
def two_faces(tmp_path: Path) -> Path:
    """The demo clip beside its mirror image: 960x480."""
    import av

    with av.open(str(DEMO)) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)][:12])
    return write_clip(tmp_path / "two.mp4", np.concatenate([frames, frames[:, :, ::-1]], axis=2))


@pytest.mark.parametrize("region", [[0.5, 0, 0.5, 1], [480, 0, 480, 480]])
def test_boxes_of_a_region_are_those_in_the_whole_picture(two_faces: Path, region: list[float]) -> None:
    whole = load("vision", device="cpu").run(two_faces)
    part = load("vision", device="cpu", region=region).run(two_faces)
    right = whole.faces.boxes[whole.faces.boxes[:, 0] > 480]
    assert len(part.faces) == len(right) == 12 and len(whole.faces) == 24
    np.testing.assert_allclose(part.faces.boxes, right, atol=8)


def test_the_rows_of_one_person_are_those_of_the_whole_run(two_faces: Path) -> None:
    whole = load("vision", device="cpu").run(two_faces).to_pandas()
    left = load("vision", device="cpu", person="leftmost").run(two_faces).to_pandas()
    wanted = whole[whole.face_x1 < 400].reset_index(drop=True)
    pd.testing.assert_frame_equal(left, wanted, check_exact=False, atol=1e-5)  # batches of another size


class OneBox:
    """A detector that finds one box in the corner of every picture."""

    crop_size, side_margin, landmark_shift = 24, 0.0, 0.0

    def search(self, picture: torch.Tensor, min_size: float) -> tuple[torch.Tensor, torch.Tensor]:
        self.shape = tuple(picture.shape)
        return torch.tensor([[1.0, 2, 3, 4]]), torch.ones(1)

    def refine(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        raise AssertionError


def test_only_the_region_is_searched() -> None:
    network = OneBox()
    boxes, _ = RegionDetector.within(network, (10, 20, 30, 40)).search(torch.zeros(100, 200, 3, dtype=torch.uint8), 12)
    assert boxes.tolist() == [[11, 22, 13, 24]] and network.shape == (40, 30, 3)


def test_a_region_outside_the_picture_is_an_error() -> None:
    with pytest.raises(MediaError, match="outside the picture of 200x100 px"):
        RegionDetector.within(OneBox(), (300, 0, 10, 10)).search(torch.zeros(100, 200, 3, dtype=torch.uint8), 12)


@pytest.mark.parametrize("region", [[0, 0, 0, 1], [-1, 0, 5, 5], [0, 0, 1], [0, 0, float("nan"), 1], "left"])
def test_a_region_that_is_none_is_refused(region: object) -> None:
    with pytest.raises(ConfigError, match="region"):
        load("vision", device="cpu", region=region)
