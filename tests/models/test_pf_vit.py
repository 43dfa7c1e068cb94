"""pf_vit: its encoder, the separation of emotion, and poker faces."""

import copy

import pytest
import torch

from avfer.errors import ConfigError, WeightsError
from avfer.losses.pf_vit_losses import hinge_discriminator
from avfer.models.backbones.mae import Mae
from avfer.models.backbones.pf_vit import PfVit
from avfer.models.checkpoint_import import import_weights
from avfer.models.factory import create, from_tensors
from avfer.models.weights import card_of

PARAMETERS = [("tiny", 16, 5_525_767), ("small", 16, 21_668_359), ("small", 32, 22_496_647), ("base", 16, 85_804_039)]


@pytest.fixture(scope="module")
def whole() -> PfVit:
    """With generator and discriminator."""
    torch.manual_seed(0)
    return PfVit(size="tiny", generator=True).eval()


@pytest.fixture(scope="module")
def crops() -> torch.Tensor:
    return torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("size", "patch", "count"), PARAMETERS)
def test_the_baseline_has_as_many_parameters_as_the_published_one(size, patch, count):
    with torch.device("meta"):
        baseline = PfVit(size=size, patch=patch, separator=False)
    assert sum(p.numel() for p in baseline.parameters()) == count
    assert len(baseline.state_dict()) == 152


def test_components_are_orthogonal_and_add_up_to_the_tokens(crops):
    torch.manual_seed(2)
    network = PfVit(size="tiny").eval()
    with torch.inference_mode():
        emotion, residue = network.separate(crops)
        tokens = network.encoder.forward_features(crops)
    assert emotion.shape == residue.shape == (2, 197, 192)
    assert torch.allclose(emotion + residue, tokens, atol=1e-5)
    angles = (emotion * residue).sum(-1).abs() / (emotion.norm(dim=-1) * residue.norm(dim=-1))
    assert angles.max() <= 1e-5


def test_a_direction_of_zero_leaves_the_residue_whole(whole):
    separator = copy.deepcopy(whole.separator)
    torch.nn.init.zeros_(separator.mlp["exact"][2].weight)
    torch.nn.init.zeros_(separator.mlp["exact"][2].bias)
    tokens = torch.randn(1, 3, 192)
    emotion, residue = separator(tokens)
    assert torch.equal(emotion, torch.zeros_like(tokens))
    assert torch.equal(residue, tokens)


def test_weights_of_the_removed_soft_form_are_refused(whole):
    tensors = {name.replace(".exact.", ".soft."): tensor for name, tensor in whole.state_dict().items()}
    with pytest.raises(WeightsError, match=r"separation: soft, which was removed: .*train the orthogonal form again"):
        PfVit.from_official(tensors)


def test_faces_are_rebuilt_from_both_components_and_poker_faces_from_the_residue(whole, crops):
    with torch.inference_mode():
        emotion, residue = whole.separate(crops)
        rebuilt, poker = whole.reconstruct(crops), whole.poker_face(crops)
        assert rebuilt.shape == poker.shape == crops.shape
        assert torch.isfinite(rebuilt).all() and torch.isfinite(poker).all()
        assert torch.equal(whole.generator(residue), poker)
        assert not torch.allclose(whole.generator(residue, 2 * emotion + 1), rebuilt, atol=1e-3)


def test_logits_do_not_need_the_generator(whole, crops):
    lean = PfVit(size="tiny").eval()
    kept = lean.state_dict()
    lean.load_state_dict({name: t for name, t in whole.state_dict().items() if name in kept})
    with torch.inference_mode():
        assert torch.equal(lean(crops), whole(crops))
        assert torch.allclose(lean(crops), lean.head(lean.separate(crops).emotion[:, 0]), atol=1e-6)


def test_a_poker_face_without_a_generator_raises_an_error(crops):
    with pytest.raises(RuntimeError, match="generator=True"):
        PfVit(size="tiny").poker_face(crops)
    with pytest.raises(RuntimeError, match="separator=True"):
        PfVit(size="tiny", separator=False).separate(crops)
    with pytest.raises(ValueError, match="separator"):
        PfVit(size="tiny", separator=False, generator=True)


def test_training_reaches_every_part_and_leaves_positions_alone(crops):
    torch.manual_seed(0)
    network = PfVit(size="tiny", generator=True)
    fixed = {name: p.clone() for name, p in network.named_parameters() if name.endswith("pos_embed")}
    crops = crops[:1]
    optimiser = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    realness, expressions = network.discriminator(network.poker_face(crops))
    loss = network(crops).square().sum() + network.reconstruct(crops).square().mean()
    (loss + realness.sum() + expressions.square().sum()).backward()
    assert [n for n, p in network.named_parameters() if p.requires_grad and p.grad is None] == []
    optimiser.step()
    assert len(fixed) == 3
    assert all(torch.equal(p, fixed[name]) for name, p in network.named_parameters() if name in fixed)


def test_the_discriminator_learns_what_is_real():
    torch.manual_seed(0)
    judge = PfVit(size="tiny", generator=True).discriminator
    real, made = torch.randn(2, 3, 224, 224).cumsum(3) / 10, torch.randn(2, 3, 224, 224)
    optimiser = torch.optim.Adam(judge.parameters(), lr=1e-4)
    for _ in range(5):
        loss = hinge_discriminator(judge(real).realness, judge(made).realness)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 1.5  # 2 is chance


def official(network: PfVit) -> dict[str, torch.Tensor]:
    """As the authors name the tensors."""
    return {name.removeprefix("encoder."): tensor for name, tensor in network.state_dict().items()}


@pytest.mark.parametrize(
    ("size", "patch", "num_classes"), [("tiny", 16, 7), ("tiny", 16, 8), ("small", 32, 7), ("small", 16, 8)]
)
def test_an_official_file_implies_its_options(size, patch, num_classes):
    network = PfVit(num_classes, size, patch=patch, separator=False)
    options, tensors = PfVit.from_official(official(network))
    assert (options["size"], options["patch"], options["num_classes"]) == (size, patch, num_classes)
    assert not options["separator"] and not options["generator"]
    PfVit(**options).load_state_dict(tensors, strict=True)


@pytest.mark.parametrize("options", [{}, {"generator": True, "num_classes": 8}, {"separator": False}])
def test_files_of_ours_imply_their_options(options):
    network = create("pf_vit", size="tiny", **options)
    again = from_tensors("pf_vit", network.state_dict(), "the file")
    assert {name: t.shape for name, t in again.state_dict().items()} == {
        name: t.shape for name, t in network.state_dict().items()
    }
    card = card_of("pf_vit", **PfVit.from_official(network.state_dict())[0])
    assert card.options == card_of("pf_vit", size="tiny", **options).options


def test_an_import_without_a_head_is_noted(tmp_path):
    torch.manual_seed(0)
    baseline = PfVit(size="tiny", separator=False).state_dict()
    torch.save({"model": baseline}, tmp_path / "whole.pth")
    torch.save({"model": {n: t for n, t in baseline.items() if not n.startswith("head.")}}, tmp_path / "encoder.pth")
    note = "the file lacks head.bias, head.weight: all classes are equally likely until the network is trained"
    for file, noted in (("whole.pth", False), ("encoder.pth", True)):
        notes = import_weights("pf_vit", tmp_path / file, tmp_path / "o.safetensors", classes="raf_db").notes
        assert notes == [note] * noted


def test_a_network_without_classes_is_imported_without_their_number(tmp_path):
    torch.save(Mae(size="tiny").state_dict(), tmp_path / "f.pth")
    with pytest.raises(ConfigError, match="--num-classes 7: mae has no classes; leave it out"):
        import_weights("mae", tmp_path / "f.pth", tmp_path / "o.safetensors", count=7)


def test_a_pre_training_file_becomes_a_baseline_with_a_head_of_zeros(crops):
    pretrained = Mae(size="tiny", decoder=True, decoder_width=64, decoder_depth=2)
    tensors = {
        name.removeprefix("encoder.").replace("decoder.mask_token", "mask_token").replace("decoder.", "decoder_"): t
        for name, t in pretrained.state_dict().items()
    }
    network = from_tensors("pf_vit", tensors, "the file")
    with torch.inference_mode():
        assert torch.equal(network(crops), torch.zeros(2, 7))
        assert torch.equal(network.features(crops), pretrained.features(crops))


def test_pre_trained_parts_are_loaded(whole):
    network, pretrained = copy.deepcopy(whole), Mae(size="tiny", decoder=True)
    network.start_pretrained(pretrained)
    assert torch.equal(network.encoder.cls_token, pretrained.encoder.cls_token)
    assert torch.equal(network.generator.pred.weight, pretrained.decoder.pred.weight)
    assert torch.equal(network.generator.blocks[7].mlp.fc2.weight, pretrained.decoder.blocks[7].mlp.fc2.weight)


def test_a_file_of_another_network_does_not_load_as_a_baseline():
    options, tensors = PfVit.from_official({"conv1.weight": torch.zeros(3)})
    assert "num_classes" not in options and "size" not in options
    assert set(tensors) == {"conv1.weight"}


def test_layers_are_skipped_by_chance_in_training_alone(crops):
    torch.manual_seed(0)
    network = PfVit(size="tiny", separator=False, drop_path=0.9)
    with torch.no_grad():
        network.head.weight.normal_()
        learning = [network.train()(crops) for _ in range(2)]
        reading = [network.eval()(crops) for _ in range(2)]
    assert not torch.allclose(*learning) and torch.equal(*reading)
    assert card_of("pf_vit", drop_path=0.1).options == {"drop_path": 0.1}
    assert network.state_dict().keys() == PfVit(size="tiny", separator=False).state_dict().keys()
