"""Images of a batch are changed at random: each in its own way, the same from the same random state, within bounds."""

import pytest
import torch

from avfer.training.training_config import AUGMENTATIONS, Augmentation
from tests.training.loss_steps import make_task


@pytest.mark.parametrize("augment", ["light", "strong", {"flip": 0.5, "turn": 20, "zoom": [0.8, 1.0], "erase": 1.0}])
def test_batches_depend_on_the_random_state_only(tmp_path, augment):
    one, many = (make_task(tmp_path / str(threads), augment=augment, workers=threads) for threads in (1, 4))
    batches = []
    for task in (one, many, one):
        torch.manual_seed(3)
        batches.append([task.batch([5, 2, 9]).pixels for _ in range(2)])
    assert all(torch.equal(a, b) for other in batches[1:] for a, b in zip(batches[0], other, strict=True))
    assert not torch.equal(*batches[0]), "augmentation differs from batch to batch"


def test_each_image_of_a_batch_is_changed_in_its_own_way(tmp_path):
    pixels = make_task(tmp_path, augment={"jitter": 0.4, "turn": 20}).batch([5, 5, 5]).pixels
    assert not torch.equal(pixels[0], pixels[1]) and not torch.equal(pixels[1], pixels[2])


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_augmented_images_keep_size_and_range(tmp_path, name):
    some = make_task(tmp_path, augment=name)
    pixels = some.batch(list(range(24))).pixels
    assert pixels.shape == (24, 3, 32, 32) and pixels.isfinite().all()
    values = pixels * 0.2 + 0.4
    assert values.min() > -1e-4 and values.max() < 1 + 1e-4


@pytest.mark.parametrize(
    ("augment", "changed"),
    [({"flip": 1.0}, "mirrored"), ({"erase": 1.0, "erase_area": [0.2, 0.2]}, "erased"), ({}, "unchanged")],
)
def test_flip_and_erase_change_images_as_their_names_say(tmp_path, augment, changed):
    plain = make_task(tmp_path / "a").batch([1, 2]).pixels
    pixels = make_task(tmp_path / "b", augment=augment).batch([1, 2]).pixels
    if changed == "mirrored":
        assert torch.allclose(pixels, plain.flip(3), atol=1e-5)
    if changed == "unchanged":
        assert torch.allclose(pixels, plain, atol=1e-5)
    if changed == "erased":
        erased = (pixels == 0).all(1)
        assert erased.float().mean((1, 2)).tolist() == pytest.approx([0.2, 0.2], abs=0.04)
        assert torch.allclose(pixels.movedim(1, 3)[~erased], plain.movedim(1, 3)[~erased], atol=1e-5)


def test_a_preset_is_an_augmentation_by_its_name(tmp_path):
    assert make_task(tmp_path, augment="strong").augmentation == AUGMENTATIONS["strong"]
    assert make_task(tmp_path / "b", augment={"flip": 0.25}).augmentation == Augmentation(flip=0.25)
