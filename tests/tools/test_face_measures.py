import numpy as np
import pytest
import torch

from avfer.models.backbones.face_landmarker import square_around
from avfer.models.backbones.face_lite import SIDE, FaceLite
from avfer.models.face_measurer import ACTIVATIONS, LANDMARK_INDEX
from tools.bench.face_measures import UNITS, along, area_under_curve
from tools.train.export_face_measures import blended
from tools.train.face_measures import Objective, correlations, masked
from tools.train.face_measures_augment import CANVAS, Augmentation, Targets, turn_gaze
from tools.train.face_measures_data import align, columns_of, turned
from tools.train.face_measures_targets import (
    OWN,
    fit_scale,
    mirrored_activations,
    photograph_targets,
    render_targets,
    shape_names,
)
from tools.train.face_measures_template import FIVE, MARGIN, TEMPLATE

SHAPES = sorted({shape for name in ACTIVATIONS if name not in OWN for shape in shape_names(name)}) + [
    *("cheekRaiser_L", "cheekRaiser_R", "cheekSquint_L", "cheekSquint_R", "noseSneer_L", "noseSneer_R")
]


def targets_of(landmarks: torch.Tensor) -> Targets:
    n = len(landmarks)
    return Targets(landmarks, torch.rand(n, len(ACTIVATIONS)), torch.zeros(n, 3), torch.zeros(n, 2), torch.ones(n))


def test_landmarks_move_with_the_picture():
    n = 40
    landmarks = torch.rand(n, 2, 2) * 0.3 + 0.35
    pixels = torch.zeros(n, CANVAS, CANVAS, 1, dtype=torch.uint8)
    at = (landmarks[:, 0] * SIDE + MARGIN).long()
    for k in range(n):
        pixels[k, at[k, 1] - 1 : at[k, 1] + 2, at[k, 0] - 1 : at[k, 0] + 2] = 255
    landmarks[:, 0] = (at + 0.5 - MARGIN) / SIDE
    augment = Augmentation([0, 1], range(len(ACTIVATIONS)), (0, 1))
    image = pixels.permute(0, 3, 1, 2).float() / 255
    moved, targets = augment._move(image, targets_of(landmarks), torch.Generator().manual_seed(0))
    there = targets.presence > 0
    assert there.sum() > n / 2
    assert targets.landmarks[~there].isnan().all()
    weight = moved[there, 0]
    grid = (torch.arange(SIDE) + 0.5) / SIDE
    total = weight.sum((1, 2))
    centre = torch.stack([(weight.sum(1) * grid).sum(1), (weight.sum(2) * grid).sum(1)], 1) / total[:, None]
    assert (centre - targets.landmarks[there, 0]).abs().max() < 0.5 / SIDE


def test_a_mirrored_face_swaps_left_and_right():
    other = mirrored_activations()
    assert [other[k] for k in other] == list(range(len(ACTIVATIONS)))
    assert ACTIVATIONS[other[ACTIVATIONS.index("mouthSmileLeft")]] == "mouthSmileRight"
    assert ACTIVATIONS[other[ACTIVATIONS.index("eyeLookInLeft")]] == "eyeLookInRight"
    assert ACTIVATIONS[other[ACTIVATIONS.index("jawLeft")]] == "jawRight"
    assert ACTIVATIONS[other[ACTIVATIONS.index("jawOpen")]] == "jawOpen"


def test_crops_and_targets_of_a_step_are_always_the_same():
    augment = Augmentation(range(2), mirrored_activations(), (0, 1))
    pixels = torch.randint(0, 256, (6, CANVAS, CANVAS, 3), dtype=torch.uint8)
    targets = targets_of(torch.rand(6, 2, 2))
    first, second = (augment(pixels, targets, torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1].rotation, second[1].rotation)
    assert first[0].shape == (6, 3, SIDE, SIDE)
    assert first[0].isfinite().all()


def test_turning_a_picture_clockwise_adds_to_the_roll_and_turns_the_gaze():
    pose, gaze = turned(np.array([10.0, 5.0, -3.0]), np.array([0.0, 20.0]), 90.0)
    assert pose == pytest.approx([10, 5, 87])
    assert gaze == pytest.approx([20, 0])  # a gaze up becomes one to the right
    assert turn_gaze(torch.tensor([[0.0, 20.0]]), torch.tensor([90.0]))[0].numpy() == pytest.approx([20, 0], abs=1e-4)


def test_alignment_puts_the_points_on_the_template_and_reports_the_turn():
    upright = np.array(TEMPLATE) * 100
    angle = np.radians(-12)
    tilted = (upright - 50) @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) + 60
    crop, matrix, turn = align(np.zeros((120, 120, 3), np.uint8), tilted)
    assert crop.shape == (CANVAS, CANVAS, 3)
    assert tilted @ matrix[:, :2].T + matrix[:, 2] == pytest.approx(np.array(TEMPLATE) * SIDE)
    assert turn == pytest.approx(12)


def test_the_square_of_the_teacher_surrounds_the_face_and_levels_it():
    points = np.array([[10.0, 10.0], [30.0, 30.0], [10.0, 30.0]])
    matrix = square_around(points, points[:2])
    inside = (points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    assert inside[0, 1] == pytest.approx(inside[1, 1])
    assert inside.min() > 0
    assert inside.max() < 256


def test_the_scale_stretches_the_photographs_to_0_and_1():
    raw = np.random.default_rng(0).random((2000, 45)) * np.linspace(0.05, 1, 45)
    targets = photograph_targets(raw, fit_scale(raw))
    known = ~np.isnan(targets).all(0)
    assert known.sum() == 45
    assert np.quantile(targets[:, known], 0.05, axis=0) == pytest.approx(0, abs=1e-6)
    assert np.quantile(targets[:, known], 0.995, axis=0) == pytest.approx(1, abs=1e-6)


def test_renders_have_the_true_weights_of_their_shapes():
    truth = np.zeros((1, len(SHAPES)))
    truth[0, SHAPES.index("browDown_L")] = 0.7
    truth[0, SHAPES.index("cheekSquint_L")] = truth[0, SHAPES.index("cheekRaiser_R")] = 0.4
    raw = np.random.default_rng(0).random((9, 45))
    targets = render_targets(raw[:1], truth, SHAPES, fit_scale(raw))[0]
    assert targets[ACTIVATIONS.index("browDownLeft")] == pytest.approx(0.7)
    assert targets[ACTIVATIONS.index("browDownRight")] == 0
    assert targets[ACTIVATIONS.index("cheekRaise")] == pytest.approx(0.4)


def test_unknown_targets_do_not_change_the_loss():
    assert masked(torch.tensor([1.0, 7.0]), torch.tensor([True, False])) == 1
    torch.manual_seed(0)
    rows, targets = torch.randn(3, 345, requires_grad=True), targets_of(torch.rand(3, 146, 2))
    targets.activations[:, 4] = np.nan
    targets.gaze[:] = np.nan
    objective = Objective(torch.ones(3, len(ACTIVATIONS)), torch.ones(146))
    objective(rows, targets, torch.arange(3)).backward()
    assert rows.grad is not None
    assert rows.grad.isfinite().all()
    assert (rows.grad[:, 292 + 4] == 0).all()
    assert (rows.grad[:, 342:344] == 0).all()


def test_correlation_is_per_column():
    x = np.random.default_rng(0).normal(size=(50, 2))
    assert correlations(x, x * [2, -1]) == pytest.approx([1, -1])


def test_area_under_the_curve_counts_pairs_in_order():
    assert area_under_curve(np.array([2.0, 3.0]), np.array([1.0, 2.0])) == pytest.approx(3.5 / 4)


def test_the_written_network_lies_between_the_start_and_the_end_of_a_run():
    start, end = FaceLite(visibility=True), FaceLite()
    first, last = start.heads.weight, end.heads.weight
    for share, wanted in ((0.0, first), (1.0, last), (0.25, 0.75 * first + 0.25 * last)):
        written = blended(start, end, share)
        assert torch.allclose(written.heads.weight, wanted.half().float(), atol=1e-4)
        assert not written.training


def test_units_that_move_along_by_more_than_half_are_named_with_their_share():
    gain = np.zeros((2, len(UNITS)))
    gain[0, UNITS.index("au12")], gain[0, UNITS.index("au25")], gain[0, UNITS.index("au10")] = 0.8, -0.6, 0.4
    gain[1, UNITS.index("au06")], gain[1, UNITS.index("au12")] = 0.1, 0.1  # not measured
    found = along(["au12", "au06"], gain, "two heads")
    assert [(one.name, one.value) for one in found] == [("au25 where au12 moves", pytest.approx(-0.75))]
    assert found[0].protocol == "two heads, share of the gain of au12"


def test_the_points_of_the_alignment_are_found_among_the_landmarks() -> None:
    assert [LANDMARK_INDEX[column] for column in columns_of(LANDMARK_INDEX)] == list(FIVE)
    assert columns_of(np.array(LANDMARK_INDEX)) == columns_of(LANDMARK_INDEX)
