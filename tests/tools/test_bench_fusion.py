"""The comparison of face and voice together with each alone."""

import pytest
import torch

from avfer.metrics import ccc
from avfer.models.affect.lite import GruLite
from avfer.models.card import Card, Metric
from avfer.models.weights import read_card
from tools.bench import fusion
from tools.train.cards import add_metrics
from tools.train.features import Faces, Voice, VoiceLabel


@pytest.fixture
def corpus(monkeypatch) -> tuple[Faces, list[Voice], list[Voice]]:
    """A few random faces and voices, and few sequences composed of them."""
    monkeypatch.setattr(fusion, "COUNT", 6)
    g = torch.Generator().manual_seed(0)
    shares = torch.eye(8).repeat(4, 1)
    known = torch.ones(32, dtype=torch.bool)
    measures = torch.randn(32, 27, generator=g)
    faces = Faces(torch.randn(1, 32, 256, generator=g), shares, shares.argmax(1), known, ~known, measures)
    voices = [
        Voice(torch.randn(30, 46, generator=g), torch.ones(30), VoiceLabel(k, 0.1, 0.9 - 0.2 * k, "1", "any"))
        for k in range(8)
    ]
    return faces, voices, [Voice(torch.zeros(30, 46), torch.zeros(30), None)]


def test_the_ccc_of_sums_is_that_of_all_values():
    g = torch.Generator().manual_seed(0)
    prediction, target = torch.randn(2, 3, 50, generator=g, dtype=torch.float64)
    used = torch.rand(3, 50, generator=g) < 0.7
    sums = fusion.sums_of(prediction, target, used).sum(0)
    expected = ccc(prediction[used].numpy(), target[used].numpy(), limits=None)
    assert float(fusion.ccc_of_sums(sums)) == pytest.approx(expected, abs=1e-9)


def test_the_kind_of_target_changes_arousal_alone(corpus):
    by_label, as_read = (fusion.compose(*corpus, own_affect) for own_affect in (False, True))
    for name in ("face", "voice", "has_face", "has_voice", "expression", "action_units"):
        assert torch.equal(getattr(by_label, name), getattr(as_read, name)), name
    assert not torch.allclose(by_label.valence_arousal[..., 1], as_read.valence_arousal[..., 1])


def test_a_network_that_reads_no_face_gains_nothing_by_one(corpus):
    model = GruLite(num_voice=46, num_measures=27).eval()
    with torch.no_grad():
        model.face.weight.zero_()
        model.no_face.copy_(model.face.bias)
    metrics = {one.name: one for one in fusion.compare_streams(model, fusion.compose(*corpus, False), "v", "t")}
    difference = metrics["ccc arousal of sequences, both minus voice alone"]
    assert difference.value == 0 and difference.protocol.endswith("95 % interval 0.000 to 0.000")
    assert metrics["ccc arousal of sequences, both minus face alone"].value != 0


def test_metrics_replace_those_of_the_same_name_on_a_card(tmp_path):
    path = tmp_path / "toy.json"
    one, other = (Metric(name=name, value=1.0, protocol="before") for name in ("a", "b"))
    card = Card(name="toy", task="t", description="d", metrics=[one, other])
    path.write_text(card.model_dump_json(exclude_defaults=True))
    new = Metric(name="a", value=2.0, protocol="after")
    add_metrics(path, [new])
    assert read_card(path).metrics == [other, new]
