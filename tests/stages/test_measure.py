"""measure_faces: back to the picture, the same for any chunks, and the parts of the quality."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from avfer.face_measures import MEASURED_UNITS, MEASURES
from avfer.models.card import Card
from avfer.models.card_files import builtin_card
from avfer.models.face_measurer import ACTIVATIONS, NUM_LANDMARKS, FaceOutputs
from avfer.signal.geometry import inverse, similarity, warp
from avfer.stages.measure import (
    QUALITY_SIDE,
    QUALITY_TEMPLATE,
    contrast_and_noise,
    inner_luma,
    quality,
    quality_crops,
    sharpness,
    to_measures,
)
from avfer.types import FaceCrops
from tests.laws import assert_same, feed
from tests.stages.measured_faces import FIVE, SIDE, cuts, pictures, to_crop, tracks

CARD = Card(name="toy", task="t", description="d", template=list(FIVE), size=SIDE, measured=["AU12"])


def one_face(turn: float, scale: float, shift: tuple[float, float]) -> FaceCrops:
    """Return the crop of a face that lies in the picture turned clockwise by `turn` degrees."""
    points = np.array([[place(x, y, turn, scale, shift) for x, y in FIVE]])
    zero = np.zeros(1, np.int64)
    return FaceCrops(tracks(zero, zero, points, 1), pictures(2)[1:], to_crop(points))


def place(x: float, y: float, turn: float, scale: float, shift: tuple[float, float]) -> tuple[float, float]:
    """Turn a point of the upright face clockwise as seen (y points down), then scale and shift it."""
    a = math.radians(turn)
    return (
        scale * (x * math.cos(a) - y * math.sin(a)) + shift[0],
        scale * (x * math.sin(a) + y * math.cos(a)) + shift[1],
    )


def outputs(gaze: tuple[float, float] = (0.0, 0.0), smile: float = 0.0) -> FaceOutputs:
    landmarks = torch.rand((1, NUM_LANDMARKS, 2), generator=torch.Generator().manual_seed(0))
    activations = torch.zeros(1, len(ACTIVATIONS))
    activations[:, [ACTIVATIONS.index(name) for name in ("mouthSmileLeft", "mouthSmileRight")]] = smile
    return FaceOutputs(landmarks, activations, torch.zeros(1, 3), torch.tensor([gaze]), torch.tensor([9.0]))


@pytest.mark.parametrize("turn", [0.0, 30.0, -80.0, 170.0])
def test_landmarks_and_roll_are_turned_back_to_the_picture(turn: float) -> None:
    crops, found = one_face(turn, 200.0, (300.0, 150.0)), outputs()
    measures = to_measures(crops, found, CARD)
    expected = [place(x, y, turn, 200.0, (300.0, 150.0)) for x, y in found.landmarks[0].tolist()]
    np.testing.assert_allclose(measures.landmarks[0], expected, atol=0.01)
    assert measures.values[0, MEASURES.index("roll_deg")] == pytest.approx(turn, abs=1e-3)


def test_a_gaze_to_the_crops_right_looks_down_where_the_head_tilts_clockwise_by_90_degrees() -> None:
    measures = to_measures(one_face(90.0, 100.0, (0.0, 0.0)), outputs(gaze=(20.0, 0.0)), CARD)
    yaw, pitch = (measures.values[0, MEASURES.index(name)] for name in ("gaze_yaw_deg", "gaze_pitch_deg"))
    assert (yaw, pitch) == (pytest.approx(0, abs=1e-3), pytest.approx(-20, abs=1e-3))


def test_a_gaze_up_looks_right_where_the_head_tilts_clockwise_by_90_degrees() -> None:
    measures = to_measures(one_face(90.0, 100.0, (0.0, 0.0)), outputs(gaze=(0.0, 20.0)), CARD)
    yaw, pitch = (measures.values[0, MEASURES.index(name)] for name in ("gaze_yaw_deg", "gaze_pitch_deg"))
    assert (yaw, pitch) == (pytest.approx(20, abs=1e-3), pytest.approx(0, abs=1e-3))


def test_pose_and_gaze_of_an_upright_face_are_those_in_the_crop() -> None:
    found = replace(outputs(gaze=(30.0, 20.0)), rotation=torch.tensor([[12.0, -7.0, 5.0]]))
    measures = to_measures(one_face(0.0, 100.0, (0.0, 0.0)), found, CARD)
    names = ("yaw_deg", "pitch_deg", "roll_deg", "gaze_yaw_deg", "gaze_pitch_deg")
    values = [measures.values[0, MEASURES.index(name)] for name in names]
    np.testing.assert_allclose(values, [12, -7, 5, 30, 20], atol=1e-4)


def test_roll_is_at_most_half_a_turn() -> None:
    found = replace(outputs(), rotation=torch.tensor([[0.0, 0.0, 30.0]]))
    measures = to_measures(one_face(170.0, 100.0, (0.0, 0.0)), found, CARD)
    assert measures.values[0, MEASURES.index("roll_deg")] == pytest.approx(-160, abs=1e-3)


@pytest.mark.parametrize(("lids", "closed"), [((0.9, 0.2), 0.2), ((0.1, 0.7), 0.1), ((1.3, 1.2), 1), ((-0.1, 0.5), 0)])
def test_eyes_are_closed_as_far_as_the_eye_that_is_more_open(lids: tuple[float, float], closed: float) -> None:
    found = outputs()
    for name, value in zip(("eyeBlinkLeft", "eyeBlinkRight"), lids, strict=True):
        found.activations[:, ACTIVATIONS.index(name)] = value
    measures = to_measures(one_face(0.0, 100.0, (0.0, 0.0)), found, CARD)
    assert measures.values[0, MEASURES.index("eye_closed")] == pytest.approx(closed)


def test_units_that_the_card_does_not_name_are_nan_and_the_others_lie_in_0_to_1() -> None:
    units = to_measures(one_face(0, 100, (0, 0)), outputs(smile=1.3), CARD).action_units[0]
    assert units[MEASURED_UNITS.index("AU12")] == 1
    assert np.isnan(np.delete(units, MEASURED_UNITS.index("AU12"))).all()


def quality_of(crops: FaceCrops, yaw: float = 0.0, mouth: float = 9.0, eyes: float = 9.0) -> float:
    found = replace(outputs(), visible=torch.tensor([[mouth, eyes]]))
    return float(quality(crops, np.array([yaw]), found)[0])


def test_each_part_alone_lowers_the_quality() -> None:
    crops = one_face(0, 100, (0, 0))
    clear, pixels = quality_of(crops), crops.pixels.float()
    assert clear > 0.7
    dark = replace(crops, pixels=(pixels * 0.03).byte())
    noise = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(0))
    noisy = replace(crops, pixels=(pixels + 60 * noise).clamp(0, 255).byte())
    small = replace(crops, faces=replace(crops.faces, boxes=np.float32([[10, 10, 40, 110]])))
    blurred = torch.nn.functional.avg_pool2d(pixels.permute(0, 3, 1, 2), 25, 1, 12, count_include_pad=False)
    blurred = replace(crops, pixels=blurred.permute(0, 2, 3, 1).byte())
    assert max(map(quality_of, (dark, noisy, small, blurred))) < 0.5
    assert quality_of(crops, yaw=-46) < 0.5
    assert quality_of(crops, mouth=-1.5) < 0.5 and quality_of(crops, eyes=-1.5) < 0.5


def one_half(**changes: object) -> float:
    """Return the quality of a clear face, of which some parts are half way between their limits."""
    crops, found = one_face(0, 100, (0, 0)), replace(outputs(), visible=torch.full((1, 2), 9.0))
    faces = replace(crops.faces, **{name: np.float32(changes[name]) for name in ("boxes", "scores") if name in changes})
    found = replace(found, **{name: torch.tensor(changes[name]) for name in ("presence", "visible") if name in changes})
    return float(quality(replace(crops, faces=faces), np.array([changes.get("yaw", 0.0)]), found)[0])


@pytest.mark.parametrize(
    "changes",
    [
        {"boxes": [[10, 10, 60, 210]]},  # 50 px wide: half way from 20 to 80
        {"boxes": [[10, 10, 210, 60]]},
        {"scores": [0.725]},  # from 0.5 to 0.95
        {"yaw": 45.0},  # from 60 to 30
        {"yaw": -45.0},
        {"visible": [[math.log(0.4 / 0.6), 9.0]]},  # probability 0.4, from 0.1 to 0.7
        {"visible": [[9.0, math.log(0.4 / 0.6)]]},
        {"presence": [0.0]},
        {"yaw": 45.0, "scores": [0.725]},  # the lowest counts, not the product
    ],
)
def test_a_part_half_way_between_its_limits_makes_half_the_quality(changes: dict[str, object]) -> None:
    assert one_half(**changes) == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize(("sharp", "contrast", "noise"), [(0.017, 90, 0), (9, 7, 0), (9, 90, 0.19)])
def test_sharpness_contrast_and_noise_count_from_their_limits(monkeypatch, sharp, contrast, noise) -> None:
    monkeypatch.setattr("avfer.stages.measure.sharpness", lambda luma: torch.tensor([sharp]))
    monkeypatch.setattr(
        "avfer.stages.measure.contrast_and_noise", lambda luma: (torch.tensor([contrast]), torch.tensor([noise]))
    )
    assert one_half() == pytest.approx(0.5, abs=1e-5)


def cut(picture: torch.Tensor, template: np.ndarray, side: int) -> FaceCrops:
    """Return the crop of a face whose landmarks lie in a picture of 500 px as in face_lite's crops."""
    points = 100 + 300 * np.array([QUALITY_TEMPLATE])
    matrix = similarity(points, side * template)
    zero = np.zeros(1, np.int64)
    return FaceCrops(tracks(zero, zero, points, 1), warp(picture, inverse(matrix)[0], side)[None], matrix)


def test_the_quality_does_not_depend_on_the_size_and_the_template_of_the_crops() -> None:
    pattern = torch.rand((1, 3, 16, 16), generator=torch.Generator().manual_seed(2)) * 200 + 25
    picture = torch.nn.functional.interpolate(pattern, (500, 500), mode="bicubic")[0].permute(1, 2, 0).byte()
    own, wide = np.array(QUALITY_TEMPLATE), 0.5 + 0.6 * (np.array(QUALITY_TEMPLATE) - [0.5, 0.6])
    same, large = cut(picture, own, QUALITY_SIDE), cut(picture, wide, 352)
    assert quality_crops(same) is same
    found = [to_measures(crops, outputs(), CARD).values[0, MEASURES.index("quality")] for crops in (same, large)]
    assert found[1] == pytest.approx(found[0], abs=0.05) and 0.4 < found[0] < 0.7
    assert quality_of(large) < 0.2  # of the crop as it is, where the same edges are wider


def test_the_quality_is_read_from_the_part_of_the_face_that_face_lite_sees() -> None:
    pattern = torch.rand((1, 3, 16, 16), generator=torch.Generator().manual_seed(2)) * 200 + 25
    picture = torch.nn.functional.interpolate(pattern, (500, 500), mode="bicubic")[0].permute(1, 2, 0).byte()
    own, wide = np.array(QUALITY_TEMPLATE), 0.5 + 0.6 * (np.array(QUALITY_TEMPLATE) - [0.4, 0.7])
    wanted, found = cut(picture, own, QUALITY_SIDE), quality_crops(cut(picture, wide, 352))
    shown = slice(10, -10)  # the border may lie outside the given crop
    away = (found.pixels.float() - wanted.pixels.float())[:, shown, shown].abs()
    assert away.mean() < 3 and wanted.pixels.float().std() > 30


def test_the_quality_falls_with_the_turn_to_the_side_and_not_up_or_down() -> None:
    found = []
    for rotation in ([57.0, 0.0, 0.0], [0.0, 57.0, 0.0]):
        turned = replace(outputs(), rotation=torch.tensor([rotation]))
        found.append(to_measures(one_face(0, 100, (0, 0)), turned, CARD).values[0, MEASURES.index("quality")])
    assert found[0] == pytest.approx(0.1, abs=1e-4) and found[1] > 0.2


def test_the_luma_is_the_mean_of_the_colours_of_the_inner_face() -> None:
    pixels = torch.zeros(1, 16, 16, 3, dtype=torch.uint8)
    pixels[:, 4:14, 3:13] = torch.tensor([10, 100, 40], dtype=torch.uint8)
    assert inner_luma(pixels).tolist() == [[[50.0] * 10] * 10]


def test_the_limits_of_the_quality_are_for_the_crops_of_face_lite() -> None:
    card = builtin_card("face_lite")
    assert (card.size, card.template) == (QUALITY_SIDE, [tuple(point) for point in QUALITY_TEMPLATE])


def test_a_slope_has_neither_edges_nor_noise_and_its_contrast_is_its_standard_deviation() -> None:
    slope = torch.arange(40.0).expand(1, 60, 40)
    contrast, noise = contrast_and_noise(slope)
    assert contrast.item() == pytest.approx(math.sqrt((40**2 - 1) / 12), rel=1e-3)
    assert noise.item() == pytest.approx(0, abs=1e-6) and sharpness(slope).item() == pytest.approx(0, abs=1e-6)


def test_the_sharpness_of_a_chessboard_is_twice_its_contrast() -> None:
    board = 128 + 30 * (-1.0) ** (torch.arange(60)[:, None] + torch.arange(60))
    assert sharpness(board[None]).item() == pytest.approx(2, rel=1e-3)


def test_noise_is_its_share_of_the_standard_deviation() -> None:
    slope = 4 * torch.arange(60.0).expand(1, 60, 60)
    contrast, noise = contrast_and_noise(slope + 5 * torch.randn(1, 60, 60, generator=torch.Generator().manual_seed(0)))
    assert (contrast * noise).item() == pytest.approx(5, rel=0.05)


def test_a_measurer_that_does_not_know_what_is_visible_lowers_no_quality() -> None:
    crops = one_face(0, 100, (0, 0))
    assert quality(crops, np.zeros(1), outputs())[0] == quality_of(crops)


@settings(max_examples=8, deadline=None)
@given(cuts)
def test_chunks_change_no_measure(measure, crops, measures, where: list[int]) -> None:
    assert_same(feed(measure, [crops], where), measures)
