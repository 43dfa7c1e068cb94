"""Recordings whose truth is known: valence in the face, arousal in the voice, labels late by a known delay."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from avfer.losses.affect_labels import AffectLabels
from avfer.models.affect.temporal import Temporal
from avfer.progress import ReportProgress, no_progress
from avfer.training.data.feature_cache import SequenceFeatures
from avfer.training.data.sequence_batches import Recording, Sequences
from avfer.training.engine.checkpoint import Position
from avfer.training.engine.distributed import launch
from avfer.training.labels import TargetNames
from avfer.training.sequences.sequence_objective import SequenceObjective
from avfer.training.sequences.sequence_task import SequenceTask
from avfer.training.training_config import TrainConfig, make_config

STEP = 0.04
CLASSES = ("low", "high")


def wave(random: np.random.Generator, length: int) -> np.ndarray:
    """Return a slow series in [-1, 1], (T,)."""
    t = np.arange(length) * STEP
    return np.sin(2 * np.pi * (random.uniform(0.03, 0.1) * t + random.uniform())) * random.uniform(0.5, 0.9)


def recording(seed: int, length: int = 600, delay: float = 0.0, modalities: str = "both") -> Recording:
    """Return a recording whose labels are late by `delay` s; modalities: "both", "face" or "voice"."""
    random = np.random.default_rng(seed)
    late = round(delay / STEP)
    valence, arousal = wave(random, length + late), wave(random, length + late)
    mix = np.random.default_rng(99)
    face_mix, voice_mix = mix.normal(size=(2, 1, 6))
    face = valence[late:, None] * face_mix + 0.3 * random.normal(size=(length, 6))
    voice = arousal[late:, None] * voice_mix + 0.3 * random.normal(size=(length, 6))
    ones = np.ones(length, bool)
    features = SequenceFeatures(
        face.astype(np.float32),
        voice.astype(np.float32),
        ones & (modalities != "voice"),
        ones & (modalities != "face"),
        np.arange(length) * STEP,
    )
    values = np.column_stack([valence[:length], arousal[:length]]).astype(np.float32)
    valid = np.ones((length, 2), bool)
    valid[:: 7 + seed % 3] = False
    values[~valid] = -5.0
    labels = AffectLabels(
        valence_arousal=torch.from_numpy(values),
        valence_arousal_valid=torch.from_numpy(valid),
        expression=torch.from_numpy((valence[:length] > 0).astype(np.int64)),
        expression_valid=torch.from_numpy(valid[:, 0].copy()),
        votes=torch.zeros(length, 2),
        action_units=torch.zeros(length, 0),
        action_units_valid=torch.zeros(length, 0, dtype=torch.bool),
    )
    return Recording(f"toy_{seed}", features, labels)


def task(
    config: TrainConfig,
    options: dict[str, Any] | None = None,
    modalities: str = "both",
    delay: float = 0.0,
    compensated: float = 0.0,
) -> SequenceTask:
    """Return a task of six training and three dev recordings; labels are late by `delay`, moved by `compensated` s."""
    torch.manual_seed(config.seed)
    defaults = {"num_face": 6, "num_voice": 6, "width": 16, "num_classes": 2, "dropout": 0.0, "modality_dropout": 0.0}
    model = Temporal(**defaults | (options or {}))
    train, dev = ([recording(i, 600, delay, modalities) for i in numbers] for numbers in (range(6), range(6, 9)))
    card = Temporal.card(**defaults | (options or {})).model_copy(update={"classes": list(CLASSES)})
    objective = SequenceObjective(model, config.targets, config.loss, torch.ones(0))
    delays = (compensated, compensated)
    sequences = Sequences(train, 150, 75, delays)
    return SequenceTask(objective, sequences, dev, config, TargetNames(CLASSES), card, delays)


def settings(**changes: Any) -> TrainConfig:
    """Return the configuration of a short run."""
    values = {"corpus": "toy", "root": "toy", "epochs": 6, "batch": 8, "threads": 1, "save_every": 1, "device": "cpu"}
    values |= {"targets": ["valence_arousal", "expression"], "optimiser": {"rate": 0.01}}
    return make_config(values | changes, "toy")


def run(
    config: TrainConfig, folder: Path, devices: int = 1, progress: ReportProgress = no_progress, **options: Any
) -> Position:
    """Train a task in `folder`, from its checkpoint if there is one; options: of `task`."""
    config = config.model_copy(update={"output": folder, "devices": devices})
    return launch(task(config, **options), config, progress)
