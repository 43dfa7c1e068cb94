"""Recordings whose truth is known: valence in the face, arousal in the voice, labels late by a known delay.

`python -m tests.training.toy FOLDER EPOCHS [DEVICES]` trains on them, going on where the folder's checkpoint is.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avfer.models.affect.temporal import Temporal
from avfer.training.affect import AffectTask
from avfer.training.data.feature_cache import Features
from avfer.training.objective import Objective
from avfer.training.engine.distributed import launch
from avfer.training.data.sequence_batches import Names, Recording, Sequences
from avfer.training.training_config import TrainConfig, make_config

STEP = 0.04
CLASSES = ("low", "high")


def wave(random: np.random.Generator, length: int) -> np.ndarray:
    """A slow series in [-1, 1]."""
    t = np.arange(length) * STEP
    return np.sin(2 * np.pi * (random.uniform(0.03, 0.1) * t + random.uniform())) * random.uniform(0.5, 0.9)


def recording(seed: int, length: int = 600, delay: float = 0.0, modalities: str = "both") -> Recording:
    random = np.random.default_rng(seed)
    late = round(delay / STEP)
    valence, arousal = wave(random, length + late), wave(random, length + late)
    mix = np.random.default_rng(99)
    looks, sounds = mix.normal(size=(2, 1, 6))
    face = valence[late:, None] * looks + 0.3 * random.normal(size=(length, 6))
    voice = arousal[late:, None] * sounds + 0.3 * random.normal(size=(length, 6))
    there = np.ones(length, bool)
    features = Features(
        face.astype(np.float32),
        voice.astype(np.float32),
        there & (modalities != "voice"),
        there & (modalities != "face"),
        np.arange(length) * STEP,
    )
    pair = np.column_stack([valence[:length], arousal[:length]]).astype(np.float32)
    valid = np.ones((length, 2), bool)
    valid[:: 7 + seed % 3] = False
    pair[~valid] = -5.0
    none = np.zeros((length, 0))
    return Recording(
        f"toy_{seed}",
        features,
        pair,
        valid,
        (valence[:length] > 0).astype(np.int64),
        valid[:, 0].copy(),
        none.astype(np.float32),
        none.astype(bool),
    )


def task(
    config: TrainConfig,
    options: dict[str, Any] | None = None,
    modalities: str = "both",
    delay: float = 0.0,
    compensated: float = 0.0,
) -> AffectTask:
    """Six recordings to learn from, three to be judged by; labels are late by `delay`, and moved by `compensated` s."""
    torch.manual_seed(config.seed)
    told = {"num_face": 6, "num_voice": 6, "width": 16, "num_classes": 2, "dropout": 0.0, "modality_dropout": 0.0}
    model = Temporal(**told | (options or {}))
    known, held = ([recording(i, 600, delay, modalities) for i in numbers] for numbers in (range(6), range(6, 9)))
    card = Temporal.card(**told | (options or {})).model_copy(update={"classes": list(CLASSES)})
    objective = Objective(model, config.targets, config.loss, torch.ones(0))
    delays = (compensated, compensated)
    return AffectTask(objective, Sequences(known, 150, 75, delays), held, config, Names(CLASSES), card, delays)


def settings(**changes: Any) -> TrainConfig:
    told = {"corpus": "toy", "root": "toy", "epochs": 6, "batch": 8, "threads": 1, "save_every": 1, "device": "cpu"}
    told |= {"targets": ["valence_arousal", "expression"], "optimiser": {"rate": 0.01}}
    return make_config(told | changes, "toy")


def run(config: TrainConfig, folder: Path, devices: int = 1, **options: Any) -> Any:
    here = config.model_copy(update={"output": folder, "devices": devices})
    return launch(task(here, **options), here, quiet)


def quiet(*_: object) -> None:
    """Tell nothing."""


if __name__ == "__main__":
    print("ready", flush=True)
    epochs = int(sys.argv[2])
    run(settings(epochs=epochs, ema=0.9), Path(sys.argv[1]), options={"dropout": 0.3, "modality_dropout": 0.2})
