"""Projections are told the mean and spread of the features, so that no scale of a network matters."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from avfer.models.affect.aver import Aver
from avfer.models.affect.heads import Projection
from avfer.models.affect.temporal import Temporal
from avfer.training.data.sequence_batches import Recording, Sequences
from avfer.training.sequences.sequence_model import standardise
from avfer.training.sequences.sequence_objective import SequenceObjective
from tests.training import toy_recordings as toy

MODELS = [Aver, Temporal]


def made(kind: type[nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return kind(num_face=6, num_voice=6, width=16)


def recordings(gain: float = 1.0, level: float = 0.0) -> list[Recording]:
    known = [toy.recording(seed) for seed in range(3)]
    for r in known:
        r.features.face[:] = r.features.face * gain + level
        r.features.voice[:] = r.features.voice * gain - level
    return known


def gradients(model: nn.Module, known: list[Recording]) -> list[Tensor]:
    objective = SequenceObjective(model.eval(), ["valence_arousal"], toy.settings().loss, torch.ones(0))
    objective(Sequences(known, 150, 75).batch([0, 5, 9])).backward()
    return [p.grad for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("level", [0.0, 0.5])
def test_small_features_are_learned_from_as_large_ones_are(kind, level):
    found = []
    for known in (recordings(), recordings(0.01, level)):
        standardise(model := made(kind), known)
        found.append(gradients(model, known))
    assert len(found[0]) > 4
    assert all(torch.allclose(a, b, rtol=1e-2, atol=1e-4) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("options", [{}, {"fusion": "decision"}])
def test_every_projection_is_told_of_its_own_modality(options):
    model, known = Temporal(num_face=6, num_voice=6, width=16, **options), recordings(2.0, 3.0)
    standardise(model, known)
    told = {name: layer for name, layer in model.named_modules() if isinstance(layer, Projection)}
    assert len(told) == 2
    for name, layer in told.items():
        x = torch.from_numpy(np.concatenate([getattr(r.features, name.rpartition(".")[2]) for r in known]))
        z = (x - layer.centre) * layer.gain
        assert z.mean(0).abs().max() < 1e-3
        assert (z.std(0) - 1).abs().max() < 1e-3


def test_a_feature_that_is_dead_where_it_is_learned_from_is_never_read():
    known = recordings()
    for r in known:
        r.features.voice[:, 5] = 1e-7 * np.arange(len(r))
    standardise(model := made(Temporal).eval(), known)
    there = torch.ones(1, 5, dtype=torch.bool)
    face, voice = torch.randn(2, 1, 5, 6)
    loud = voice.clone()
    loud[..., 5] = 1e6
    assert torch.equal(model(face, voice, there, there).valence_arousal, model(face, loud, there, there).valence_arousal)


def test_steps_without_a_face_do_not_count():
    known = recordings()
    for r in known:
        r.features.has_face[::2] = False
    seen = [r.features.face[1::2].copy() for r in known]
    for r in known:
        r.features.face[::2] = 1e6
    standardise(model := made(Aver), known)
    assert model.face.centre.numpy() == pytest.approx(np.concatenate(seen).mean(0), abs=1e-4)


def test_a_modality_that_is_nowhere_leaves_finite_outputs():
    known = [toy.recording(seed, modalities="face") for seed in range(3)]
    standardise(model := made(Aver).eval(), known)
    assert torch.isfinite(torch.stack(gradients(model, known)[-1:])).all()
    assert model.voice.gain.eq(0).all()
