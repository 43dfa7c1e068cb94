"""mae: patches, masks, and the loss on masked patches."""

import math

import pytest
import torch

from avfer.models.backbones import vit
from avfer.models.backbones.mae import DECODER, Mae
from avfer.models.factory import from_tensors
from avfer.models.weights import card_of


@pytest.fixture(scope="module")
def network() -> Mae:
    torch.manual_seed(0)
    return Mae(size="tiny", decoder=True, decoder_width=64, decoder_depth=2).eval()


@pytest.fixture(scope="module")
def crops() -> torch.Tensor:
    return torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("patch", [16, 32])
def test_patches_become_the_picture_again(crops, patch):
    patches = vit.patchify(crops, patch)
    assert patches.shape == (2, (224 // patch) ** 2, patch * patch * 3)
    assert torch.equal(patches[1, 224 // patch + 1, :3], crops[1, :, patch, patch])
    assert torch.equal(vit.unpatchify(patches, patch), crops)


def test_a_position_is_embedded_by_sines_and_cosines_of_column_and_row():
    table = vit.fixed_positions(192, 14)
    assert not table.requires_grad
    assert torch.equal(table[0, 0], torch.zeros(192))
    row, column = 3, 5
    for start, place in ((0, column), (96, row)):
        for i in (0, 7, 47):
            angle = place / 10000 ** (i / 48)
            embedded = table[0, 1 + 14 * row + column, [start + i, start + 48 + i]]
            assert embedded.tolist() == pytest.approx([math.sin(angle), math.cos(angle)], abs=1e-6)


def test_a_quarter_of_the_patches_is_visible(network):
    visible, hidden = network.masking(3, torch.Generator().manual_seed(0))
    assert visible.shape == (3, 49)
    assert hidden.shape == (3, 196)
    assert hidden.sum(1).tolist() == [147] * 3
    assert not hidden.gather(1, visible).any()
    assert len({tuple(row) for row in visible.tolist()}) == 3


def test_masked_patches_are_not_read(network, crops):
    visible, hidden = network.masking(2, torch.Generator().manual_seed(0))
    patches = vit.patchify(crops, 16).clone()
    patches[hidden] = 9.0
    with torch.inference_mode():
        assert torch.equal(
            network.reconstruct(vit.unpatchify(patches, 16), visible), network.reconstruct(crops, visible)
        )


def test_all_patches_visible_in_order_is_what_the_encoder_reads(network, crops):
    with torch.inference_mode():
        tokens = network.encode(crops, torch.arange(196).expand(2, -1))
        assert torch.equal(tokens[:, 0], network.features(crops))


def test_pre_training_reaches_every_tensor(crops):
    torch.manual_seed(0)
    network = Mae(size="tiny", decoder=True, decoder_width=64, decoder_depth=1)
    network.reconstruct(crops, network.masking(2).visible).square().mean().backward()
    assert [n for n, p in network.named_parameters() if p.requires_grad and p.grad is None] == []


def test_an_official_file_implies_its_options(network):
    names = {ours: theirs for theirs, ours in DECODER.items()}
    tensors = {}
    for name, tensor in network.state_dict().items():
        ours = next((part for part in names if name.startswith(part)), None)
        tensors[names[ours] + name.removeprefix(ours) if ours else name.removeprefix("encoder.")] = tensor
    assert {"mask_token", "decoder_pos_embed", "decoder_blocks.1.attn.qkv.weight", "blocks.0.norm1.weight"} <= set(
        tensors
    )
    again = from_tensors("mae", tensors, "the file")
    assert all(torch.equal(again.state_dict()[name], tensor) for name, tensor in network.state_dict().items())


def test_a_fine_tuned_file_gives_its_encoder(network):
    encoder = {name.removeprefix("encoder."): t for name, t in network.state_dict().items() if "decoder" not in name}
    head = {"head.weight": torch.zeros(7, 192), "head.bias": torch.zeros(7)}
    assert from_tensors("mae", encoder | head, "the file").decoder is None


def test_reconstruct_without_a_decoder_raises_an_error(crops):
    with pytest.raises(RuntimeError, match="decoder=True"):
        Mae(size="tiny").reconstruct(crops, torch.arange(49).expand(2, -1))


def test_the_card_names_options_that_are_not_usual():
    assert card_of("mae").options == {}
    assert card_of("mae", size="tiny", decoder=True).options == {"size": "tiny", "decoder": True}
