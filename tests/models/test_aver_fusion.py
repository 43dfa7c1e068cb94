"""aver: the fusion of face and voice over time."""

import pytest
import torch

from avfer.losses.label_losses import ccc_loss
from avfer.models.affect.aver import Aver
from avfer.models.weights import card_of


def rows(n: int, t: int, has_face: float = 0.7) -> tuple[torch.Tensor, ...]:
    random = torch.Generator().manual_seed(t)
    face, voice = torch.randn(n, t, 32, generator=random), torch.randn(n, t, 256, generator=random)
    return face, voice, torch.rand(n, t, generator=random) < has_face, torch.rand(n, t, generator=random) < has_face


def network(**options) -> Aver:
    torch.manual_seed(0)
    made = Aver(**options).eval()
    for name, value in made.named_parameters():
        if name in ("no_face", "no_voice"):
            torch.nn.init.normal_(value)
    return made


def test_the_number_of_parameters_is_that_of_two_layers_of_128():
    read = 32 * 128 + 128 + 256 * 128 + 128 + 2 * 128
    lstm = 4 * 128 * (256 + 128 + 2) + 4 * 128 * (128 + 128 + 2)
    assert sum(p.numel() for p in Aver().parameters()) == read + lstm + 128 * 2 + 2


@pytest.mark.parametrize("options", [{}, {"num_face": 0}, {"num_voice": 0}, {"num_classes": 8, "num_action_units": 12}])
def test_a_sequence_equals_its_steps(options):
    model, (face, voice, has_face, has_voice) = network(**options), rows(3, 12)
    face, voice = face[..., : model.num_face], voice[..., : model.num_voice]
    with torch.inference_mode():
        whole, hidden = model.sequence(face, voice, has_face, has_voice), model.start(3)
        for t in range(12):
            out, hidden = model.step(face[:, t], voice[:, t], has_face[:, t], has_voice[:, t], hidden)
            for name, wanted in whole.tensors().items():
                torch.testing.assert_close(out.tensors()[name], wanted[:, t], atol=1e-5, rtol=1e-5)


def test_a_hidden_face_is_replaced_by_the_last_visible_one():
    model, (face, voice, _, has_voice) = network(), rows(1, 8)
    has_face = torch.tensor([[False, True, False, False, True, True, False, False]])
    held = face[:, [0, 1, 1, 1, 4, 5, 5, 5]]
    there = has_face | (torch.arange(8) > 0)
    with torch.inference_mode():
        found, wanted = model.sequence(face, voice, has_face, has_voice), model.sequence(held, voice, there, has_voice)
    assert torch.equal(found.valence_arousal, wanted.valence_arousal)


@pytest.mark.parametrize("missing", ["face", "voice"])
def test_a_modality_missing_throughout_is_not_read(missing):
    model, (face, voice, has_face, has_voice) = network(), rows(2, 6)
    flags = (torch.zeros_like(has_face), has_voice) if missing == "face" else (has_face, torch.zeros_like(has_voice))
    others = (face + 9, voice) if missing == "face" else (face, voice + 9)
    with torch.inference_mode():
        first, second = model.sequence(face, voice, *flags), model.sequence(*others, *flags)
    assert torch.isfinite(first.valence_arousal).all() and first.valence_arousal.unique().numel() > 1
    assert torch.equal(first.valence_arousal, second.valence_arousal)


def test_the_future_does_not_move_the_past():
    model, (face, voice, has_face, has_voice) = network(), rows(2, 10, has_face=1.0)
    later = face.clone(), voice.clone()
    for x in later:
        x[:, 6:] += 1
    with torch.inference_mode():
        a, b = model.sequence(face, voice, has_face, has_voice), model.sequence(*later, has_face, has_voice)
    torch.testing.assert_close(a.valence_arousal[:, :6], b.valence_arousal[:, :6])
    assert not torch.allclose(a.valence_arousal[:, 6:], b.valence_arousal[:, 6:], atol=1e-4)


def test_rows_that_are_not_valid_change_nothing():
    model, given = network(), rows(2, 10)
    valid = torch.arange(10) < torch.tensor([[10], [6]])
    spoilt = [x.clone() for x in given]
    spoilt[0][1, 6:], spoilt[1][1, 6:] = 99.0, 99.0
    with torch.inference_mode():
        a, b = model.sequence(*given, valid), model.sequence(*spoilt, valid)
    assert torch.equal(a.valence_arousal, b.valence_arousal)


@pytest.mark.parametrize(
    ("options", "inputs"),
    [({}, {"face": 32, "voice": 256}), ({"num_face": 0}, {"voice": 256}), ({"num_voice": 0}, {"face": 32})],
)
def test_the_card_states_inputs_and_published_results(options, inputs):
    card = card_of("aver", **options)
    assert card.inputs == inputs
    assert card.options == options
    wanted = {2: (0.63, 0.81)}.get(len(inputs), (0.46, 0.80) if "voice" in inputs else (0.55, 0.57))
    assert tuple(number.value for number in card.published) == wanted


def test_the_default_reads_the_features_of_its_own_backbones():
    assert card_of("aver").inputs == {"face": card_of("aver_student").features, "voice": card_of("aver_voice").features}


def test_a_model_without_inputs_or_heads_raises_an_error():
    with pytest.raises(ValueError, match="num_face and num_voice are both 0"):
        Aver(num_face=0, num_voice=0)


def series(seed: int) -> tuple[torch.Tensor, ...]:
    """Slow valence and arousal (8, 60), shown by the face alone and has_voice in the voice alone."""
    random = torch.Generator().manual_seed(seed)
    noise = torch.randn(2, 8, 69, generator=random).unfold(2, 10, 1).mean(3)
    valence, arousal = (noise / noise.std() / 3).clamp(-1, 1)
    mixing = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    return valence[..., None] * mixing[0], arousal[..., None] * mixing[1], valence, arousal


@pytest.mark.parametrize(
    ("options", "learned"), [({}, "both"), ({"num_voice": 0}, "valence"), ({"num_face": 0}, "arousal")]
)
def test_valence_is_learned_from_the_face_and_arousal_from_the_voice(options, learned):
    torch.manual_seed(0)
    sizes = {"num_face": 4, "num_voice": 4, "width": 16, "layers": 1, "dropout": 0.0} | options
    model, there = Aver(**sizes), torch.ones(8, 60, dtype=torch.bool)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)

    def losses(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        face, voice, valence, arousal = series(seed)
        out = model.sequence(face, voice, there, there)
        return ccc_loss(out.valence_arousal[..., 0], valence), ccc_loss(out.valence_arousal[..., 1], arousal)

    for step in range(80):
        optimiser.zero_grad()
        sum(losses(step)).backward()
        optimiser.step()
    with torch.inference_mode():
        scores = {name: 1 - loss.item() for name, loss in zip(("valence", "arousal"), losses(999), strict=True)}
    for name, score in scores.items():
        assert score > 0.8 if learned in ("both", name) else score < 0.3
