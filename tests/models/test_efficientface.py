"""efficientface and its label distribution generator: parts, files, and the statistics of corpora."""

from pathlib import Path

import pytest
import torch

from avfer.goldens.golden_files import read_golden
from avfer.models.backbones.efficientface import EfficientFace, LocalExtractor, Modulator
from avfer.models.backbones.efficientface_ldg import EfficientFaceLdg
from avfer.models.checkpoint_import import import_weights
from avfer.models.class_orders import AFFECTNET, assume
from avfer.models.factory import cost_of, create
from avfer.models.weights import card_of, locate, sha256

GOLDEN = Path(__file__).parents[1] / "golden"
COSTS = [
    ("efficientface", 7, 1_275_293, 149.7e6),
    ("efficientface", 8, 1_276_318, 149.7e6),
    ("efficientface", 12666, 14_250_768, None),
    ("efficientface_ldg", 7, 23_522_375, 4.09e9),
    ("efficientface_ldg", 8, 23_524_424, 4.09e9),
]


@pytest.mark.parametrize(("name", "num_classes", "parameters", "macs"), COSTS)
def test_parameters_and_multiply_adds_are_those_of_the_authors_networks(name, num_classes, parameters, macs):
    cost = cost_of(name, card_of(name, num_classes=num_classes))
    assert cost.parameters == parameters
    assert macs is None or cost.macs == pytest.approx(macs, rel=0.01)


@pytest.mark.parametrize(("part", "count"), [(LocalExtractor, 10_208), (Modulator, 3_526)])
def test_parts_are_of_the_published_sizes(part, count):
    assert sum(p.numel() for p in part().parameters()) == count


@pytest.mark.parametrize(
    ("kind", "golden", "count"), [(EfficientFace, "efficientface", 418), (EfficientFaceLdg, "efficientface-ldg", 320)]
)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_an_official_file_implies_its_options(kind, golden, count, prefix):
    tensors = {prefix + name: torch.from_numpy(value) for name, value in read_golden(GOLDEN / golden).tensors.items()}
    options, ours = kind.from_official(tensors)
    assert options == {"num_classes": 7}
    with torch.device("meta"):
        wanted = kind().state_dict()
    assert len(ours) == count
    assert {name: value.shape for name, value in ours.items()} == {name: t.shape for name, t in wanted.items()}


def test_a_published_checkpoint_is_read(tmp_path):
    """As the training script saves it: wrapped, in a table."""
    tensors = {
        f"module.{name}": torch.from_numpy(v) for name, v in read_golden(GOLDEN / "efficientface").tensors.items()
    }
    torch.save({"state_dict": tensors}, tmp_path / "EfficientFace.pth.tar")
    network = create("efficientface", weights=tmp_path / "EfficientFace.pth.tar")
    assert torch.equal(network.state_dict()["local.bottom_left.0.weight"], tensors["module.local.conv2_1.weight"])
    assert torch.equal(
        network.state_dict()["trunk.stage2.0.branch1.0.weight"], tensors["module.stage2.0.branch1.0.weight"]
    )


@pytest.mark.parametrize(
    ("classes", "mean", "noted"),
    [
        (None, 0.57535914, True),
        ("neutral,happiness,sadness,surprise,fear,disgust,anger", 0.57535914, True),
        ("raf_db", 0.57535914, False),
        ("caer_s", 0.35964426, False),
        ("affectnet_7", 0.55391484, False),
    ],
)
def test_the_corpus_of_an_imported_file_sets_mean_and_std(tmp_path, classes, mean, noted):
    torch.manual_seed(0)
    torch.save(EfficientFace().state_dict(), tmp_path / "f.pth")
    path, card, notes = import_weights("efficientface", tmp_path / "f.pth", tmp_path / "o.safetensors", classes=classes)
    assert (card.mean[0], card.classes) == (mean, AFFECTNET[:7])
    assert card_of("efficientface", **card.options).std == card.std
    assert locate("efficientface", str(path))[1] == card.model_copy(update={"sha256": sha256(path)})
    note = "mean and std of raf_db are assumed; else choose --classes raf_db"
    assert [note in one for one in notes] == [True] * noted


@pytest.mark.parametrize("kind", [EfficientFace, EfficientFaceLdg])
def test_a_file_of_our_own_keeps_its_names(kind):
    with torch.device("meta"):
        state = kind(num_classes=8).state_dict()
    options, tensors = kind.from_official(state)
    assert options == {"num_classes": 8} and list(tensors) == list(state)


@pytest.mark.parametrize("rows", [slice(0, 28), slice(28, 56)])
@pytest.mark.parametrize("columns", [slice(0, 28), slice(28, 56)])
def test_nothing_leaks_between_quarters(rows, columns):
    torch.manual_seed(0)
    local, x = LocalExtractor().eval(), torch.randn(1, 29, 56, 56)
    changed = x.clone()
    changed[:, :, rows, columns] += 1
    with torch.inference_mode():
        moved = (local(changed) != local(x)).any(1)[0]
    assert moved.shape == (28, 28)
    inside = torch.zeros(28, 28, dtype=torch.bool)
    inside[rows.start // 2 : rows.stop // 2, columns.start // 2 : columns.stop // 2] = True
    assert moved[inside].all() and not moved[~inside].any()


@pytest.mark.parametrize("gate", ["channel", "spatial"])
def test_one_sigmoid_is_taken_of_the_product(gate):
    """Where either logit is 0, half of the map passes, whatever the other says."""
    torch.manual_seed(0)
    modulator, x = Modulator().eval(), torch.randn(2, 116, 28, 28)
    for tensor in getattr(modulator, gate)[-1].parameters():
        torch.nn.init.zeros_(tensor)
    with torch.inference_mode():
        assert torch.equal(modulator(x), x / 2)


@pytest.mark.parametrize("name", ["efficientface", "efficientface_ldg"])
@pytest.mark.parametrize(
    ("options", "mean"),
    [
        ({}, 0.57535914),
        ({"num_classes": 8}, 0.55391484),
        ({"corpus": "affectnet"}, 0.55391484),
        ({"corpus": "caer_s"}, 0.35964426),
    ],
)
def test_statistics_are_those_of_the_corpus(name, options, mean):
    card = card_of(name, **options)
    assert card.mean[0] == mean
    assert card.options == options
    assert card_of(name, **card.options) == card


@pytest.mark.parametrize("name", ["efficientface", "efficientface_ldg"])
@pytest.mark.parametrize(("num_classes", "count"), [(7, 7), (8, 0), (12666, 0)])
def test_an_unproven_class_order_is_not_used_by_default(name, num_classes, count):
    card = assume(card_of(name, num_classes=num_classes))
    assert len(card.classes) == count and not card.assumed
