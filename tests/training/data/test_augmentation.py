"""Random changes of images: each does what its key says, with its chance and range."""

import numpy as np
import pytest
import torch

from avfer.training.data.augmentation import augmented, erased
from avfer.training.training_config import Augmentation

SIDE = 48


def image(seed: int = 0) -> torch.Tensor:
    """Return an image without any symmetry, (3, 48, 48) uint8."""
    return torch.from_numpy(np.random.default_rng(seed).integers(60, 196, (3, SIDE, SIDE), np.uint8))


def changed(seed: int = 1, **how: object) -> torch.Tensor:
    return augmented(image(), SIDE, Augmentation.model_validate(how), np.random.default_rng(seed))


def test_no_augmentation_changes_nothing():
    assert torch.equal(changed(), image().float())


def test_a_flip_mirrors():
    assert torch.allclose(changed(flip=1.0), image().float().flip(2), atol=1e-4)


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
        x = augmented(shown, SIDE, Augmentation(crop=least), np.random.default_rng(seed))
        width, height = (float(x[i].max() - x[i].min()) for i in (0, 1))
        shares.append(width * height / 200**2)
    assert least * 0.75 < min(shares) < least + 0.15
    assert max(shares) > 0.75 and np.mean(shares) == pytest.approx((least + 1) / 2, abs=0.12)


def test_jitter_changes_brightness_within_the_range_of_pixels():
    values = [changed(seed, jitter=0.4).mean().item() for seed in range(50)]
    assert np.std(values) > 10
    assert min(values) >= 0 and max(values) <= 255


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
        x = augmented(shown, 101, Augmentation(turn=20), np.random.default_rng(seed))[0]
        y, across = ((x * torch.arange(101.0).view(shape)).sum() / x.sum() - 50 for shape in ((-1, 1), (1, -1)))
        angles.append(float(torch.rad2deg(torch.atan2(y, across))))
    assert 15 < max(angles) < 20.5 and -20.5 < min(angles) < -15


def test_erased_rectangles_have_their_share_of_the_area():
    how = Augmentation(erase=0.5, erase_area=(0.05, 0.1))
    shares = [
        float((erased(torch.ones(3, SIDE, SIDE), how, np.random.default_rng(seed))[0] == 0).float().mean())
        for seed in range(300)
    ]
    some = [share for share in shares if share]
    assert len(some) / 300 == pytest.approx(0.5, abs=0.09)
    assert min(some) > 0.04 and max(some) < 0.11


def test_the_same_seed_gives_the_same_image():
    how = {"flip": 0.5, "crop": 0.5, "turn": 20, "jitter": 0.4, "hue": 0.1, "grey": 0.2}
    how |= {"blur": 0.2, "noise": 0.02}
    assert torch.equal(changed(3, **how), changed(3, **how))
    assert not torch.equal(changed(3, **how), changed(4, **how))
