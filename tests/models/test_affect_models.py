"""Affect models: one interface, face or voice may be missing, and a sequence equals its steps."""

import pytest
import torch

from avfer.catalog import find
from avfer.models.affect.lite import GruLite, MeasuredFace
from avfer.models.backbones.vggish import VggishLite
from avfer.models.weights import card_of

NAMES_OF_MODELS = ["gru_lite", "linear_lite"]


def model(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return find("affect model", name)().eval()


def rows(n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(n)
    return torch.randn(n, 256), torch.randn(n, 128), torch.ones(n, dtype=torch.bool), torch.ones(n, dtype=torch.bool)


@pytest.mark.parametrize("name", NAMES_OF_MODELS)
@pytest.mark.parametrize("n", [0, 1, 5])
def test_outputs_have_a_row_for_each_face(name, n):
    network = model(name)
    out, hidden = network.step(*rows(n), network.start(n))
    assert out.valence_arousal.shape == (n, 2)
    assert out.expression_logits.shape == (n, 8)
    assert out.action_unit_logits.shape == (n, 17)
    assert hidden.shape == network.start(n).shape


@pytest.mark.parametrize("name", NAMES_OF_MODELS)
def test_valence_and_arousal_stay_within_one(name):
    network, (face, voice, has_face, has_voice) = model(name), rows(50)
    out, _ = network.step(face * 1e4, voice * 1e4, has_face, has_voice, network.start(50))
    assert out.valence_arousal.abs().max() <= 1


@pytest.mark.parametrize("name", NAMES_OF_MODELS)
def test_weights_are_small(name):
    assert sum(p.numel() for p in model(name).parameters()) <= 500_000


def test_the_voice_network_is_small():
    assert sum(p.numel() for p in VggishLite().parameters()) <= 1_000_000
    assert VggishLite().eval().features(torch.zeros(2, 1, 96, 64)).shape == (2, 128)


@pytest.mark.parametrize("missing", ["face", "voice"])
def test_a_missing_modality_is_not_read(missing):
    network, (face, voice, has_face, has_voice) = model("gru_lite"), rows(4)
    flags = (~has_face, has_voice) if missing == "face" else (has_face, ~has_voice)
    first, _ = network.step(face, voice, *flags, network.start(4))
    others = (face + 9, voice) if missing == "face" else (face, voice + 9)
    second, _ = network.step(*others, *flags, network.start(4))
    for a, b in zip(first.tensors().values(), second.tensors().values(), strict=True):
        assert torch.equal(a, b)


def test_the_linear_model_ignores_the_voice():
    network, (face, voice, has_face, has_voice) = model("linear_lite"), rows(4)
    first, _ = network.step(face, voice, has_face, has_voice, network.start(4))
    second, _ = network.step(face, -voice, has_face, ~has_voice, network.start(4))
    assert all(torch.equal(a, b) for a, b in zip(first.tensors().values(), second.tensors().values(), strict=True))


@pytest.mark.parametrize("name", NAMES_OF_MODELS)
def test_a_sequence_equals_its_steps(name):
    network = model(name)
    face, voice = torch.randn(3, 20, 256), torch.randn(3, 20, 128)
    has_face, has_voice = torch.rand(3, 20) < 0.7, torch.rand(3, 20) < 0.7
    whole = network.sequence(face, voice, has_face, has_voice, torch.ones_like(has_face), torch.zeros(3, 20))
    hidden = network.start(3)
    for t in range(20):
        out, hidden = network.step(face[:, t], voice[:, t], has_face[:, t], has_voice[:, t], hidden)
        for a, b in zip(out.tensors().values(), whole.tensors().values(), strict=True):
            torch.testing.assert_close(a, b[:, t], atol=1e-5, rtol=1e-5)


def test_outputs_depend_on_the_past():
    network, (face, voice, has_face, has_voice) = model("gru_lite"), rows(1)
    _, hidden = network.step(face + 1, voice, has_face, has_voice, network.start(1))
    fresh, _ = network.step(face, voice, has_face, has_voice, network.start(1))
    later, _ = network.step(face, voice, has_face, has_voice, hidden)
    assert not torch.equal(fresh.valence_arousal, later.valence_arousal)


def test_widths_are_options():
    network = GruLite(num_face=512, num_voice=64, num_classes=7, num_action_units=12)
    out = network.sequence(torch.zeros(1, 2, 512), torch.zeros(1, 2, 64), *[torch.ones(1, 2, dtype=torch.bool)] * 2)
    assert out.expression_logits.shape == (1, 2, 7)
    assert out.action_unit_logits.shape == (1, 2, 12)


def measured(name: str, face: torch.Tensor, measures: torch.Tensor) -> torch.Tensor:
    """Return the expression logits of faces with measures, by a model that learned their mean and spread."""
    torch.manual_seed(0)
    network = find("affect model", name)(num_measures=3).eval()
    network.measured.fit(torch.tensor([[1.0, -2.0, torch.nan], [3.0, 4.0, torch.nan]]))
    _, voice, has_face, has_voice = rows(len(face))
    return network.step(torch.cat([face, measures], 1), voice, has_face, has_voice, network.start(len(face)))[
        0
    ].expression_logits


@pytest.mark.parametrize("name", NAMES_OF_MODELS)
def test_an_unknown_measure_counts_as_its_mean_and_one_never_known_is_not_read(name):
    face, nan = rows(1)[0], torch.nan
    at_mean = measured(name, face, torch.tensor([[2.0, 1.0, 0.0]]))
    for same in ([nan, nan, nan], [2.0, nan, 9.0]):
        torch.testing.assert_close(measured(name, face, torch.tensor([same])), at_mean)
    assert not torch.allclose(measured(name, face, torch.tensor([[3.0, 1.0, 0.0]])), at_mean)


@pytest.mark.parametrize("known", [[0.1, 0.1, 0.1], [0.1, torch.nan, torch.nan]])
def test_a_measure_that_never_varied_in_training_is_not_read(known: list[float]) -> None:
    model = MeasuredFace(num_face=1, num_measures=1)
    model.fit(torch.tensor(known)[:, None])
    assert model(torch.tensor([[5.0, 0.4]])).tolist() == [[5.0, 0.0]]


@pytest.mark.parametrize("name", NAMES_OF_MODELS)
def test_features_alone_are_read_as_a_face_whose_measures_are_unknown(name):
    face = rows(1)[0]
    unknown = measured(name, face, torch.full((1, 3), torch.nan))
    assert torch.equal(measured(name, face, torch.zeros(1, 0)), unknown)


@pytest.mark.parametrize("name", NAMES_OF_MODELS)
def test_weights_without_measures_have_the_tensors_of_earlier_versions(name):
    assert not [key for key in model(name).state_dict() if key.startswith("measured")]


def test_the_card_of_a_model_to_be_trained_names_the_inputs_of_its_options():
    assert card_of("gru_lite", num_face=5, num_voice=4).inputs == {"face": 5, "voice": 4}
    assert card_of("linear_lite", num_face=5).inputs == {"face": 5}
    assert card_of("linear_lite", num_face=5, num_measures=3).inputs == {"face": 5, "measures": 3}
