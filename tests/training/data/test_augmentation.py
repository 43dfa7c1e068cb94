"""Random changes of images: each does what its key says, with its chance and range."""

import colorsys

import numpy as np
import pytest
import torch
from torchvision.transforms.v2.functional import rgb_to_grayscale

from avfer.models.card import Card
from avfer.training.data.augmentation import augmented, augmented_alike, erased, resized
from avfer.training.training_config import Augmentation

SIDE = 48


def image(seed: int = 0) -> torch.Tensor:
    """Return an image without any symmetry, (3, 48, 48) uint8."""
    return torch.from_numpy(np.random.default_rng(seed).integers(60, 196, (3, SIDE, SIDE), np.uint8))


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def changed(seed: int = 1, **how: object) -> torch.Tensor:
    return augmented(image(), SIDE, Augmentation.model_validate(how), rng(seed))


def test_no_augmentation_changes_nothing():
    assert torch.equal(changed(), image().float())


def test_a_flip_mirrors():
    assert torch.allclose(changed(flip=1.0), image().float().flip(2), atol=1e-4)


def test_a_flip_has_its_chance():
    flipped = [torch.allclose(changed(seed, flip=0.25), image().float().flip(2), atol=1e-4) for seed in range(300)]
    assert np.mean(flipped) == pytest.approx(0.25, abs=0.07)


def test_a_smaller_image_shows_the_mean_of_the_pixels():
    """One column of four is white: without antialiasing it would disappear."""
    lines = torch.zeros(3, 96, 96, dtype=torch.uint8)
    lines[:, :, ::4] = 255
    assert resized(lines, 24)[:, 4:-4, 4:-4].mean().item() == pytest.approx(255 / 4, abs=1)


@pytest.mark.parametrize("chance", [0.25, 1.0])
def test_noise_has_its_deviation_and_its_chance(chance):
    moved = [changed(seed, noise=0.02, noised=chance) - image() for seed in range(400)]
    noisy = [difference for difference in moved if difference.abs().max() > 0]
    assert len(noisy) / 400 == pytest.approx(chance, abs=0.07)
    assert torch.stack(noisy).std().item() == pytest.approx(0.02 * 255, rel=0.02)
    assert torch.stack(noisy).mean().abs().item() < 0.05


def test_a_grey_image_has_equal_channels():
    x = changed(grey=1.0)
    assert torch.equal(x[0], x[1]) and torch.equal(x[1], x[2])
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    assert torch.allclose(x[0], (image() * weights).sum(0), atol=0.6)


def test_blur_removes_detail_and_keeps_the_mean():
    x = changed(blur=1.0)
    assert x.std() < 0.9 * image().float().std()
    assert x.mean().item() == pytest.approx(image().float().mean().item(), abs=1)


@pytest.mark.parametrize("least", [0.08, 0.5])
def test_crops_keep_at_least_the_least_area(least):
    """A ramp from left to right shows how wide the crop was, one from top to bottom how high."""
    ramp = torch.arange(200, dtype=torch.uint8)
    shown = torch.stack([ramp.expand(200, 200), ramp[:, None].expand(200, 200), ramp.expand(200, 200)])
    shares = []
    for seed in range(100):
        x = augmented(shown, SIDE, Augmentation(crop=least), rng(seed))
        width, height = (float(x[i].max() - x[i].min()) for i in (0, 1))
        shares.append(width * height / 200**2)
    assert least * 0.75 < min(shares) < least + 0.15
    assert max(shares) > 0.75 and np.mean(shares) == pytest.approx((least + 1) / 2, abs=0.12)


def test_jitter_changes_brightness_within_the_range_of_pixels():
    values = [changed(seed, jitter=0.4).mean().item() for seed in range(50)]
    assert np.std(values) > 10
    assert min(values) >= 0 and max(values) <= 255


def test_brightness_contrast_and_saturation_change_independently_by_at_most_the_jitter():
    """Brightness scales the mean of the grey image, contrast also its deviation, saturation the distance from it."""
    shown = torch.from_numpy(np.random.default_rng(5).integers(90, 166, (3, SIDE, SIDE), np.uint8))
    moments = []
    for x in (shown.float(), *(augmented(shown, SIDE, Augmentation(jitter=0.25), rng(seed)) for seed in range(80))):
        grey = rgb_to_grayscale(x)
        moments.append((grey.mean().item(), grey.std().item(), (x - grey).std().item()))
    ratios = np.array(moments)[1:] / np.array(moments)[0]
    factors = ratios / np.column_stack([np.ones(80), ratios[:, :2]])
    assert factors.min() > 0.74 and (factors.min(0) < 0.8).all()
    assert factors.max() < 1.26 and (factors.max(0) > 1.2).all()
    assert np.abs(np.corrcoef(factors.T)[np.triu_indices(3, 1)]).max() < 0.35


def test_a_hue_turns_in_both_directions_by_at_most_its_share_of_the_circle():
    cyan = torch.tensor([60, 160, 160], dtype=torch.uint8).view(3, 1, 1).expand(3, 8, 8)
    colours = [augmented(cyan, 8, Augmentation(hue=0.1), rng(seed))[:, 4, 4] / 255 for seed in range(40)]
    turns = [colorsys.rgb_to_hsv(*colour.tolist())[0] - 0.5 for colour in colours]
    assert -0.102 < min(turns) < -0.08 and 0.08 < max(turns) < 0.102


def test_a_change_of_hue_keeps_the_lightest_and_the_darkest_channel():
    turned = [changed(seed, hue=0.5, jittered=0.5) for seed in range(40)]
    same = [torch.allclose(x, image().float(), atol=1) for x in turned]
    assert np.mean(same) == pytest.approx(0.5, abs=0.25)
    for x in turned:
        assert torch.allclose(x.amax(0), image().amax(0).float(), atol=1.5)
        assert torch.allclose(x.amin(0), image().amin(0).float(), atol=1.5)
    assert changed(1, hue=0.5).sub(image()).abs().max() > 60


def test_a_rotation_is_at_most_the_configured_angle():
    """The position of a white dot away from the centre shows the angle."""
    shown = torch.zeros(3, 101, 101, dtype=torch.uint8)
    shown[:, 48:53, 88:93] = 255
    angles = []
    for seed in range(60):
        x = augmented(shown, 101, Augmentation(turn=20), rng(seed))[0]
        y, across = ((x * torch.arange(101.0).view(shape)).sum() / x.sum() - 50 for shape in ((-1, 1), (1, -1)))
        angles.append(float(torch.rad2deg(torch.atan2(y, across))))
    assert 15 < max(angles) < 20.5 and -20.5 < min(angles) < -15


def squares(**how: object) -> np.ndarray:
    """Return x, y (px from the middle) and the relative side of a square in the middle after 100 changes, (100, 3)."""
    shown, places = torch.zeros(3, 101, 101, dtype=torch.uint8), torch.arange(101.0) - 50
    shown[:, 41:60, 41:60] = 255
    images = [augmented(shown, 101, Augmentation.model_validate(how), rng(seed))[0] / 255 for seed in range(100)]
    return np.array(
        [[(x.sum(0) @ places) / x.sum(), (x.sum(1) @ places) / x.sum(), x.sum() ** 0.5 / 19] for x in images]
    )


def test_an_image_is_shifted_to_all_sides_by_at_most_the_share_of_its_side():
    x, y, side = squares(shift=0.2).T
    for shift in (x, y):
        assert -20.5 < shift.min() < -17 and 17 < shift.max() < 20.5
    assert abs(np.corrcoef(x, y)[0, 1]) < 0.3 and side == pytest.approx(1, abs=0.01)


def test_a_zoom_scales_around_the_middle_within_its_range():
    x, y, side = squares(zoom=(0.6, 1.4)).T
    assert 0.58 < side.min() < 0.65 and 1.35 < side.max() < 1.42
    assert max(np.abs(x).max(), np.abs(y).max()) < 0.1


def test_shift_turn_and_zoom_have_one_chance():
    x, _, side = squares(shift=0.2, zoom=(0.6, 0.9), moved=0.3).T
    is_moved = np.abs(x) > 0.01
    assert np.mean(is_moved) == pytest.approx(0.3, abs=0.12)
    assert (side[is_moved] < 0.95).all() and side[~is_moved] == pytest.approx(1, abs=0.01)


def test_erased_rectangles_lie_anywhere_and_are_high_or_wide():
    how, extents = Augmentation(erase=1.0, erase_area=(0.1, 0.1)), list[tuple[int, int, int, int]]()
    for seed in range(150):
        gone = erased(torch.ones(3, SIDE, SIDE), how, rng(seed))[0] == 0
        rows, columns = (gone.any(axis).nonzero()[:, 0] for axis in (1, 0))
        assert gone.sum() == len(rows) * len(columns)
        extents.append((int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1))
    top, bottom, left, right = np.array(extents).T
    ratios = (bottom - top) / (right - left)  # height to width, from 0.3 to 3.3 as often below 1 as above
    assert 0.25 < ratios.min() < 0.4 and 2.5 < ratios.max() < 4
    assert np.mean(ratios < 1) == pytest.approx(0.5, abs=0.12)
    assert top.min() < 3 and left.min() < 3 and max(bottom) > SIDE - 3 and max(right) > SIDE - 3


@pytest.mark.parametrize("colour", ["rgb", "bgr"])
def test_erased_parts_of_a_sequence_have_the_mean_colour_of_the_network(colour):
    card = Card(name="toy", task="", description="", mean=[0.2, 0.4, 0.8], std=[0.2] * 3, colour=colour)
    crops, has_face = torch.full((2, 3, 16, 16, 3), 10, dtype=torch.uint8), torch.ones(2, 3, dtype=torch.bool)
    has_face[1, 2] = False
    found = augmented_alike(crops, has_face, Augmentation(erase=1.0), card, seed=1, threads=2)
    gone = (found != 10).all(4)
    assert gone.any(3).any(2).equal(has_face) and (gone[:, 0] == gone[:, 1]).all()
    wanted = [51, 102, 204] if colour == "rgb" else [204, 102, 51]
    assert found[gone].unique(dim=0).tolist() == [wanted] and (found[~gone] == 10).all()


def test_erased_rectangles_have_their_share_of_the_area():
    how = Augmentation(erase=0.5, erase_area=(0.05, 0.1))
    shares = [float((erased(torch.ones(3, SIDE, SIDE), how, rng(seed))[0] == 0).float().mean()) for seed in range(300)]
    some = [share for share in shares if share]
    assert len(some) / 300 == pytest.approx(0.5, abs=0.09)
    assert min(some) > 0.04 and max(some) < 0.11


def test_the_same_seed_gives_the_same_image():
    how = {"flip": 0.5, "crop": 0.5, "turn": 20, "jitter": 0.4, "hue": 0.1, "grey": 0.2}
    how |= {"blur": 0.2, "noise": 0.02}
    assert torch.equal(changed(3, **how), changed(3, **how))
    assert not torch.equal(changed(3, **how), changed(4, **how))
