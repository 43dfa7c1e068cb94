"""Searches near a known box: which part of a frame is searched, for faces of which size, and which one is taken."""

import numpy as np
import pytest
import torch

from avfer.stages.frame_search import SearchableFrames


class Recorder:
    """A detector that finds some boxes in every part, and records side lengths and smallest face of each search."""

    crop_size, side_margin, landmark_shift = 24, 0.0, 0.0

    def __init__(self, *boxes: list[float]) -> None:
        self.boxes, self.searched = boxes, list[tuple[int, int, float]]()

    def search(self, picture: torch.Tensor, min_size: float) -> tuple[torch.Tensor, torch.Tensor]:
        self.searched.append((picture.shape[0], picture.shape[1], min_size))
        return torch.tensor(self.boxes).reshape(-1, 4), 0.8 + 0.01 * torch.arange(len(self.boxes))

    def refine(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        raise AssertionError


def near(detector: Recorder, known: list[float]) -> tuple[list[float], float] | None:
    """Return box and score of the face that is found near a box of a picture of 200 x 300 px."""
    clip = SearchableFrames(lambda _: torch.full((200, 300, 3), 90, dtype=torch.uint8), detector, 20, 0.5)
    found = clip.search_near(0, np.array([known], np.float32))
    return None if found is None else (found.boxes[0].tolist(), round(float(found.scores[0]), 6))


@pytest.mark.parametrize(("size", "smallest"), [(90, 30), (30, 20)])
def test_a_search_near_a_box_covers_twice_its_sides_for_faces_of_a_third_of_its_size(size: int, smallest: float):
    detector = Recorder([size / 2, size / 2, 1.5 * size, 1.5 * size])
    box = [100.0, 60.0, 100.0 + size, 60.0 + size]
    assert near(detector, box) == (box, 0.8)
    assert detector.searched == [(2 * size, 2 * size, smallest)]


def test_the_face_that_overlaps_the_box_most_is_taken():
    """The part begins at (80, 40)."""
    detector = Recorder([0, 0, 30, 30], [22, 20, 62, 60], [40, 20, 80, 60])
    assert near(detector, [100, 60, 140, 100]) == ([102, 60, 142, 100], 0.81)


@pytest.mark.parametrize(("shift", "is_found"), [(21, True), (22, False)])
def test_a_face_near_a_box_overlaps_it_by_three_tenths(shift: int, is_found: bool):
    """Boxes of 40 px that lie 21 px apart share 19 of 61 columns, 22 px apart 18 of 62."""
    detector = Recorder([20 + shift, 20, 60 + shift, 60])
    assert (near(detector, [100, 60, 140, 100]) is not None) == is_found
