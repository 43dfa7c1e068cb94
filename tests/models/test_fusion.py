"""Ways to join face and voice: how each modality changes the joined features."""

import pytest
import torch
from torch import Tensor, nn

from avfer.models.affect.fusion import Concatenation, CrossModalAttention, Gated
from avfer.models.affect.temporal import Temporal


@pytest.fixture(scope="module")
def pair() -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    return torch.randn(2, 5, 16, generator=random), torch.randn(2, 5, 16, generator=random)


def test_concatenation_keeps_both(pair):
    assert torch.equal(Concatenation(16)(*pair), torch.cat(pair, -1))


@pytest.mark.parametrize(("bias", "share"), [(-40.0, 0.0), (0.0, 0.5), (40.0, 1.0)])
def test_a_gate_gives_the_face_its_share_and_the_voice_the_rest(pair, bias, share):
    gated = Gated(16)
    nn.init.zeros_(gated.gate.weight)
    nn.init.constant_(gated.gate.bias, bias)
    face, voice = pair
    assert torch.allclose(gated(face, voice), share * face + (1 - share) * voice, atol=1e-6)


def test_a_gate_is_opened_by_face_and_by_voice(pair):
    torch.manual_seed(0)
    gated, (face, voice) = Gated(16), pair
    shares = [gated.gate(torch.cat(x, -1)).sigmoid() for x in ((face, voice), (face + 1, voice), (face, voice + 1))]
    assert not torch.allclose(shares[0], shares[1]) and not torch.allclose(shares[0], shares[2])


@pytest.mark.parametrize("queries", ["face", "voice"])
def test_each_modality_attends_to_the_other(pair, queries):
    """With one direction closed, the queries still read the other modality, whose own features do not change."""
    torch.manual_seed(0)
    both, (face, voice) = CrossModalAttention(16), pair
    both.norm = nn.Identity()
    open_, closed = (both.to_voice, both.to_face) if queries == "face" else (both.to_face, both.to_voice)
    nn.init.zeros_(closed.out_proj.weight)
    nn.init.zeros_(closed.out_proj.bias)
    nn.init.normal_(open_.out_proj.bias)
    joined = dict(zip(("face", "voice"), both(face, voice).chunk(2, -1), strict=True))
    other = "voice" if queries == "face" else "face"
    assert torch.equal(joined[other], voice if queries == "face" else face)
    changed = both(face, voice + 1) if queries == "face" else both(face + 1, voice)
    assert not torch.allclose(changed.chunk(2, -1)[queries == "voice"], joined[queries], atol=1e-3)


def test_attention_stays_within_an_instant(pair):
    torch.manual_seed(0)
    both, (face, voice) = CrossModalAttention(16).eval(), pair
    later = voice.clone()
    later[:, 3] += 1
    moved = (both(face, later) != both(face, voice)).any(-1)
    assert moved[:, 3].all() and not moved[:, [0, 1, 2, 4]].any()


WEIGHTS = [(True, True, 0.75), (True, False, 1.0), (False, True, 0.0)]  # has_face, has_voice, weight of the face


@pytest.mark.parametrize(("has_face", "has_voice", "share"), WEIGHTS)
def test_a_decision_is_the_weighted_mean_of_two_single_modality_models(has_face, has_voice, share):
    torch.manual_seed(0)
    options = {"width": 8, "num_classes": 3, "num_action_units": 2}
    model = Temporal(num_face=6, num_voice=4, fusion="decision", **options).eval()
    assert model.share is not None
    nn.init.constant_(model.share, float(torch.tensor(0.75).logit()))
    face, voice = torch.randn(1, 7, 6), torch.randn(1, 7, 4)
    flags = [torch.full((1, 7), there) for there in (has_face, has_voice)]
    rest = torch.ones(1, 7, dtype=torch.bool), torch.arange(7)[None] * 0.04
    with torch.inference_mode():
        looks, sounds = (reader(face, voice, *flags, *rest) for reader in model.readers)
        decided = model.sequence(face, voice, *flags)
    assert len(decided.tensors()) == 3
    for name, joined in decided.tensors().items():
        wanted = share * looks.tensors()[name] + (1 - share) * sounds.tensors()[name]
        assert torch.allclose(joined, wanted, atol=1e-6)
