"""Projections standardise the features, so that their scale does not matter."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from avfer.models.affect.aver import Aver
from avfer.models.affect.heads import Projection
from avfer.models.affect.temporal import Temporal
from avfer.training.data.sequence_batches import Recording, Sequences
from avfer.training.sequences.sequence_model import gains, standardise
from avfer.training.sequences.sequence_objective import SequenceObjective
from tests.training import toy_recordings as toy

MODELS = [Aver, Temporal]


def make_model(kind: type[nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return kind(num_face=6, num_voice=6, width=16)


def recordings(gain: float = 1.0, level: float = 0.0) -> list[Recording]:
    known = [toy.recording(seed) for seed in range(3)]
    for r in known:
        r.inputs.face[:] = r.inputs.face * gain + level
        r.inputs.voice[:] = r.inputs.voice * gain - level
    return known


def gradients(model: nn.Module, known: list[Recording]) -> list[Tensor]:
    objective = SequenceObjective(model.eval(), ["valence_arousal"], toy.settings().loss, torch.ones(0))
    objective(Sequences(known, 150, 75).batch([0, 5, 9])).backward()
    return [p.grad for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("level", [0.0, 0.5])
def test_small_features_have_the_gradients_of_large_ones(kind, level):
    found = []
    for known in (recordings(), recordings(0.01, level)):
        standardise(model := make_model(kind), known)
        found.append(gradients(model, known))
    assert len(found[0]) > 4
    assert all(torch.allclose(a, b, rtol=1e-2, atol=1e-4) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("options", [{}, {"fusion": "decision"}])
def test_every_projection_standardises_its_own_modality(options):
    model, known = Temporal(num_face=6, num_voice=6, width=16, **options), recordings(2.0, 3.0)
    standardise(model, known)
    projections = {name: layer for name, layer in model.named_modules() if isinstance(layer, Projection)}
    assert len(projections) == 2
    for name, layer in projections.items():
        x = torch.from_numpy(np.concatenate([getattr(r.inputs, name.rpartition(".")[2]) for r in known]))
        z = (x - layer.centre) * layer.gain
        assert z.mean(0).abs().max() < 1e-3
        assert (z.std(0) - 1).abs().max() < 1e-3


def test_a_deviation_below_a_thousandth_of_the_median_is_that_of_a_constant():
    factors = gains(np.array([2.0, 1.0, 1.0, 1.0, 0.4, 1.1e-3, 0.9e-3, 0.0]))
    assert factors == pytest.approx([0.5, 1, 1, 1, 2.5, 1 / 1.1e-3, 0, 0])
    assert gains(np.zeros(2)).tolist() == [0, 0]


def test_a_feature_that_is_constant_in_training_is_never_read():
    known = recordings()
    for r in known:
        r.inputs.voice[:, 5] = 1e-7 * np.arange(len(r))
    standardise(model := make_model(Temporal).eval(), known)
    present = torch.ones(1, 5, dtype=torch.bool)
    face, voice = torch.randn(2, 1, 5, 6)
    changed = voice.clone()
    changed[..., 5] = 1e6
    assert torch.equal(
        model(face, voice, present, present).valence_arousal, model(face, changed, present, present).valence_arousal
    )


def test_steps_without_a_face_do_not_count():
    known = recordings()
    for r in known:
        r.inputs.has_face[::2] = False
    faces = [r.inputs.face[1::2].copy() for r in known]
    for r in known:
        r.inputs.face[::2] = 1e6
    standardise(model := make_model(Aver), known)
    assert model.face.centre.numpy() == pytest.approx(np.concatenate(faces).mean(0), abs=1e-4)


def test_gradients_are_finite_without_any_voice():
    known = [toy.recording(seed, modalities="face") for seed in range(3)]
    standardise(model := make_model(Aver).eval(), known)
    assert torch.isfinite(torch.stack(gradients(model, known)[-1:])).all()
    assert model.voice.gain.eq(0).all()
