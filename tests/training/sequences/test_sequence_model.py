"""Affect models at the start of training."""

from pathlib import Path

import torch

import avfer
from avfer.models.weights import locate
from avfer.training.labels import TargetNames
from avfer.training.sequences.sequence_model import affect_model
from avfer.training.training_config import make_config


def test_training_starts_from_weights_that_read_measures(tmp_path: Path):
    """The features of a recipe have no measures: all count as unknown, and the card still names them."""
    card = locate("gru_lite", "builtin")[1]
    values = {"corpus": "table", "root": str(tmp_path), "output": str(tmp_path / "out"), "model": "gru_lite"}
    values |= {"weights": "builtin", "targets": ["valence_arousal", "expression", "action_units"]}
    widths = {name: card.inputs[name] for name in ("face", "voice")}
    names = TargetNames(tuple(card.classes), tuple(card.action_units))
    created = affect_model(make_config(values, "the test"), widths, names)
    assert created.card.inputs == card.inputs
    embedded = avfer.create("gru_lite", weights="builtin").state_dict()
    assert all(torch.equal(value, embedded[name]) for name, value in created.model.state_dict().items())
    face, voice = (torch.randn(2, 5, width) for width in widths.values())
    there = torch.ones(2, 5, dtype=torch.bool)
    assert created.model.sequence(face, voice, there, there).valence_arousal.isfinite().all()
