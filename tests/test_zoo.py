"""Every network of the catalog: built, run, trained, saved and exported."""

import itertools
from typing import Any

import pytest
import torch
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from avfer.catalog import MODEL_KINDS, NAMES, kind_of
from avfer.models.card import Card
from avfer.models.factory import cost_of, create, example
from avfer.models.network import VoiceNetwork
from avfer.models.prediction import Prediction
from avfer.models.weights import card_of

BACKBONES = [*NAMES["backbone"], "timm:resnet18", "timm:vit_tiny_patch16_224"]
OTHERS = [name for kind in ("video model", "voice backbone", "voice post-processor") for name in NAMES[kind]]
ALL = [*BACKBONES, *OTHERS, *NAMES["affect model"]]


# Seconds each; the quick tests see them in the goldens and in tests of their own.
HEAVY = {"mae", "pf_vit", "poster", "poster_v2", "psr", "affwildnet_vgg", "mt_vgg", "mt_arcvgg", "av_mt_vgg_rnn"}


def by_weight(name: str) -> Any:
    return pytest.param(name, marks=pytest.mark.slow) if name in HEAVY else name


@pytest.fixture(scope="module", params=[by_weight(name) for name in ALL])
def model(request) -> tuple[str, Card, nn.Module]:
    torch.manual_seed(0)
    return request.param, card_of(request.param), create(request.param)


def inputs(name: str, card: Card, n: int) -> tuple[Tensor, ...]:
    """Random inputs of the network's main method."""
    random = torch.Generator().manual_seed(3)
    kind = kind_of(name)
    if kind == "affect model":
        num_face, num_voice, num_measures = (card.inputs.get(key, 0) for key in ("face", "voice", "measures"))
        face, voice = (torch.randn(n, 5, k, generator=random) for k in (num_face + num_measures, num_voice))
        there = torch.ones(n, 5, dtype=torch.bool)
        return face, voice, there, there
    return tuple(torch.randn(x.shape, generator=random) for x in example(kind, card, n))


def run(name: str, network: nn.Module, given: tuple[Tensor, ...]) -> list[Tensor]:
    """All tensors that the network gives, rows first."""
    kind = kind_of(name)
    method = {"affect model": "sequence", "backbone": "predict"}.get(kind, "forward")
    output: Tensor | Prediction = getattr(network, method)(*given)
    return [output] if isinstance(output, Tensor) else list(output.tensors().values())


def test_outputs_are_finite_and_have_the_shapes_of_the_card(model):
    name, card, network = model
    with torch.inference_mode():
        outputs = run(name, network, inputs(name, card, 2))
        assert all(torch.isfinite(x).all() for x in outputs)
        if kind_of(name) == "backbone":
            (crops,) = inputs(name, card, 2)
            prediction = network.predict(crops)
            assert prediction.features.shape == (2, card.features)
            assert torch.equal(network.features(crops), prediction.features)
            logits = prediction.expression_logits
            assert (logits is not None) == bool(card.classes)
            assert logits is None or logits.shape == (2, len(card.classes))
            assert (prediction.valence_arousal is not None) == card.valence_arousal
            units = prediction.action_unit_logits
            assert (0 if units is None else units.shape[1]) == len(card.action_units)


def test_gradients_reach_every_trainable_tensor(model):
    name, card, network = model
    network.zero_grad()
    given = inputs(name, card, 2)
    with torch.enable_grad():
        outputs = [*run(name, network, given)]
        nothing = torch.zeros((), requires_grad=True)  # of a network that is not trained
        sum(((x * torch.randn_like(x)).sum() for x in outputs if x.requires_grad), nothing).backward()
    missed = [key for key, value in network.named_parameters() if value.requires_grad and value.grad is None]
    network.zero_grad()
    assert missed == []


def test_the_state_dict_survives_safetensors(model):
    name, card, network = model
    state = {key: value.clone().contiguous() for key, value in network.state_dict().items()}
    again = from_bytes(to_bytes(state))
    other = create(name)
    other.load_state_dict(again, strict=True)
    with torch.inference_mode():
        given = inputs(name, card, 1)
        for a, b in zip(run(name, network, given), run(name, other, given), strict=True):
            assert torch.equal(a, b)


def remembers(network: nn.Module) -> bool:
    """Whether the rows of a voice network are the patches of one sound, each compared with those before it."""
    return isinstance(network, VoiceNetwork) and network.start_voice().numel() > 0


def follow(network: VoiceNetwork, rows: list[tuple[Tensor, ...]]) -> list[list[Tensor]]:
    """The outputs of each patch, with the state after the one before."""
    state, outputs = network.start_voice(), list[list[Tensor]]()
    for (patch,) in rows:
        features, state = network.step_voice(patch, state, 0.2)
        outputs.append([features])
    return outputs


def test_a_batch_is_the_sum_of_its_rows(model):
    name, card, network = model
    with torch.inference_mode():
        given = inputs(name, card, 4)
        rows = [tuple(x[i : i + 1] for x in given) for i in range(4)]
        whole = run(name, network, given)
        parts = follow(network, rows) if remembers(network) else [run(name, network, row) for row in rows]
        alone = [torch.cat(outputs) for outputs in zip(*parts, strict=True)]
        for a, b in zip(whole, alone, strict=True):
            assert a.shape == b.shape
            assert (a - b).abs().max() <= 1e-4 * max(1.0, float(b.abs().max()))


def test_the_card_states_the_facts_that_users_need(model):
    name, card, network = model
    assert card.name == name
    assert card.task and card.description and card.sources and card.licence_code
    if kind_of(name) == "backbone":
        assert card.size and len(card.mean) == len(card.std) == 3 and card.features
        assert all(len(order.classes) == len(set(order.classes)) for order in card.orders)
    assert cost_of(name, card).parameters == sum(p.numel() for p in network.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in [*BACKBONES, *OTHERS] if card_of(name).onnx])
def test_an_exported_network_gives_equal_outputs(name, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    card, network = card_of(name), create(name)
    given = inputs(name, card, 2)
    torch.onnx.export(network, given, tmp_path / "n.onnx", dynamo=True, verbose=False)
    session = runtime.InferenceSession(tmp_path / "n.onnx")
    names = [x.name for x in session.get_inputs()]
    with torch.inference_mode():
        wanted = network(*given)
    found = session.run(None, {key: x.numpy() for key, x in zip(names, given, strict=True)})
    for a, b in zip(found, [wanted] if isinstance(wanted, Tensor) else wanted.tensors().values(), strict=True):
        assert (torch.from_numpy(a) - b).abs().max() <= 1e-3 * max(1.0, float(b.abs().max()))


def test_names_of_networks_are_unique():
    names = list(itertools.chain.from_iterable(NAMES[kind] for kind in MODEL_KINDS))
    assert len(names) == len(set(names))
