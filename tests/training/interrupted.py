"""A training run that is interrupted and resumed, beside one that is not."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from avfer.training.engine.checkpoint import read_checkpoint
from avfer.training.train_model import train
from avfer.training.training_config import TrainConfig


class Interruption(Exception):
    """Raised in the middle of an epoch."""


def interrupt(title: str, done: int, total: int, result: str = "", /) -> None:
    """Raise Interruption in the second epoch."""
    if title.startswith("epoch 2") and done == 2:
        raise Interruption


def assert_resumed_run_has_the_same_weights(folder: Path, config: Callable[[Path], TrainConfig]) -> None:
    """Assert that a run interrupted in its second epoch and resumed ends with the same weights to the bit."""
    train(config(folder / "whole"))
    with pytest.raises(Interruption):
        train(config(folder / "broken"), progress=interrupt)
    train(config(folder / "broken"), resume=True)
    whole, broken = (read_checkpoint(folder / name) for name in ("whole", "broken"))
    assert whole is not None and broken is not None
    assert all(torch.equal(value, broken["module"][name]) for name, value in whole["module"].items())
