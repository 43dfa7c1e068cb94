"""mt_vgg, mt_arcvgg and av_mt_vgg_rnn: three tasks of a face, and of face and voice over time."""

import pytest
import torch
import torch.nn.functional as F

from avfer.models.backbones.mt_arcvgg import SCALE, MtArcVgg
from avfer.models.backbones.mt_vgg import MtVgg
from avfer.models.factory import from_tensors
from avfer.models.video.av_mt_vgg_rnn import AvMtVggRnn
from avfer.models.weights import card_of

SMALL = {"width": 2, "num_features": 12}


def made(kind: type[torch.nn.Module], **options: int | bool) -> torch.nn.Module:
    torch.manual_seed(0)
    return kind(**SMALL, **options).eval()


@pytest.mark.parametrize("kind", [MtVgg, MtArcVgg])
def test_a_crop_has_classes_valence_arousal_and_action_units(kind):
    network, crops = made(kind, num_classes=8, num_action_units=5), torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        prediction = network.predict(crops)
        assert torch.equal(network.features(crops), prediction.features)
        assert torch.equal(network(crops), prediction.expression_logits)
    assert prediction.expression_logits.shape == (2, 8) and prediction.action_unit_logits.shape == (2, 5)
    assert prediction.valence_arousal.shape == (2, 2) and prediction.valence_arousal.abs().max() <= 1


def test_the_multi_task_network_is_the_trunk_two_full_layers_and_heads():
    with torch.device("meta"):
        count = sum(p.numel() for p in MtVgg().parameters())
    assert count == 14_714_688 + 18_878_464 + (4096 * 4096 + 4096) + (4096 + 1) * (2 + 7 + 8)


def test_expressions_are_angles_whatever_the_length_of_the_embedding():
    network, crops = made(MtArcVgg, num_embedding=6), torch.randn(4, 3, 96, 96)
    with torch.inference_mode():
        embedding, cosines = network.features(crops), network.cosines(crops)
        angle = F.cosine_similarity(embedding[:, None], network.expression.weight[None], dim=2)
        assert torch.allclose(cosines, angle, atol=1e-6)
        assert torch.allclose(network(crops), SCALE * angle, atol=1e-4)
        assert torch.allclose(network.expression(7 * embedding), cosines, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mt_vgg", {"num_classes": 8, "num_action_units": 12}),
        ("mt_arcvgg", {"num_classes": 5, "num_action_units": 3, "num_embedding": 6}),
        ("av_mt_vgg_rnn", {"num_hidden": 5, "num_action_units": 12}),
        ("av_mt_vgg_rnn", {"num_hidden": 5, "valence_arousal": "none"}),
        ("av_mt_vgg_rnn", {"num_classes": 8, "num_hidden": 5, "voice": False}),
    ],
)
def test_a_file_implies_its_options(name, options):
    kinds = {"mt_vgg": MtVgg, "mt_arcvgg": MtArcVgg, "av_mt_vgg_rnn": AvMtVggRnn}
    tensors = made(kinds[name], **options).state_dict()
    again = from_tensors(name, tensors, "the file")
    assert all(torch.equal(value, tensors[key]) for key, value in again.state_dict().items())
    implied = kinds[name].from_official(tensors)[0]
    assert card_of(name, **implied) == kinds[name].card(**SMALL, **options)


@pytest.mark.parametrize("name", ["mt_vgg", "mt_arcvgg", "av_mt_vgg_rnn"])
@pytest.mark.parametrize(("count", "last"), [(8, "AU25"), (12, "AU26"), (3, None)])
def test_units_have_the_names_of_the_years_that_have_so_many(name, count, last):
    units = card_of(name, num_action_units=count).action_units
    assert (units[-1] if units else None) == last and len(units) in {0, count}


@pytest.fixture(scope="module")
def both() -> AvMtVggRnn:
    return made(AvMtVggRnn, num_hidden=5)


def test_frames_and_sound_compute_what_their_features_compute(both):
    crops, patches = torch.randn(2, 3, 3, 96, 96), torch.randn(2, 3, 1, 96, 64)
    with torch.inference_mode():
        out = both(crops, patches)
        hidden = both.start(2)
        for time in range(3):
            face, voice = both.features(crops[:, time]), both.voice_features(patches[:, time])
            there = torch.ones(2, dtype=torch.bool)
            now, hidden = both.step(face, voice, there, there, hidden)
            for name, whole in out.tensors().items():
                assert torch.allclose(now.tensors()[name], whole[:, time], atol=1e-5)


def test_voice_features_depend_on_time_and_on_pitch(both):
    patches = torch.zeros(3, 1, 96, 64)
    patches[1, :, 40:60] = 3.0
    patches[2, :, :, 20:30] = 3.0
    with torch.inference_mode():
        features = both.voice_features(patches)
    assert features.shape == (3, 12)
    assert not torch.allclose(features[0], features[1]) and not torch.allclose(features[1], features[2])


@pytest.mark.parametrize("missing", ["face", "voice"])
def test_a_missing_modality_is_not_read(both, missing):
    face, voice, there = torch.rand(2, 12), torch.rand(2, 12), torch.ones(2, dtype=torch.bool)
    flags = (~there, there) if missing == "face" else (there, ~there)
    noise = (
        (torch.full_like(face, torch.nan), voice) if missing == "face" else (face, torch.full_like(voice, torch.nan))
    )
    with torch.inference_mode():
        first, _ = both.step(face, voice, *flags, both.start(2))
        second, _ = both.step(*noise, *flags, both.start(2))
        full, _ = both.step(face, voice, there, there, both.start(2))
    assert torch.equal(first.valence_arousal, second.valence_arousal)
    assert not torch.equal(first.valence_arousal, full.valence_arousal)


def test_the_state_passes_over_an_instant_with_nothing(both):
    face = torch.rand(1, 12)
    no, yes = torch.zeros(1, dtype=torch.bool), torch.ones(1, dtype=torch.bool)
    _, hidden = both.step(face, face, yes, yes, both.start(1))
    assert torch.equal(both.step(face, face, no, no, hidden)[1], hidden)
    assert not torch.equal(both.step(face, face, yes, no, hidden)[1], hidden)


def test_without_a_voice_voice_features_raise_an_error():
    network = made(AvMtVggRnn, num_hidden=5, voice=False)
    assert network(torch.zeros(1, 2, 3, 96, 96)).valence_arousal.shape == (1, 2, 2)
    assert card_of("av_mt_vgg_rnn", voice=False).inputs == {"face": 4096}
    with pytest.raises(RuntimeError, match="make it with voice=True"):
        network.voice_features(torch.zeros(1, 1, 96, 64))


def error(voice: bool) -> float:
    """Return the squared error of valence that only the voice shows, after training on 64 sequences."""
    network = made(AvMtVggRnn, num_hidden=8, voice=voice).train()
    random = torch.Generator().manual_seed(2)
    face, sound = (torch.randn(64, 6, 12, generator=random) for _ in range(2))
    wanted, there = sound[..., 0].tanh(), torch.ones(64, 6, dtype=torch.bool)
    parameters = [*network.gru.parameters(), *network.heads.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=0.02)
    for _ in range(80):
        optimiser.zero_grad()
        loss = (network.sequence(face, sound, there, there).valence_arousal[..., 0] - wanted).square().mean()
        loss.backward()
        optimiser.step()
    return loss.item()


def test_a_network_with_a_voice_learns_what_only_the_voice_shows():
    assert error(voice=True) < 0.3 * error(voice=False)
