"""A training that is interrupted and goes on, beside one that was not."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from avfer.training.engine import checkpoint
from avfer.training.train import train
from avfer.training.training_config import TrainConfig


class Stop(Exception):
    """An interruption."""


def stop(what: str, done: int, total: int, came: str = "", /) -> None:
    if what.startswith("epoch 2") and done == 2:
        raise Stop


def ends_with_the_same_weights(folder: Path, config: Callable[[Path], TrainConfig]) -> None:
    """Interrupted in its second epoch, and gone on."""
    train(config(folder / "whole"))
    with pytest.raises(Stop):
        train(config(folder / "broken"), tell=stop)
    train(config(folder / "broken"), resume=True)
    whole, broken = (checkpoint.read(folder / name) for name in ("whole", "broken"))
    assert whole is not None and broken is not None
    assert all(torch.equal(value, broken["module"][name]) for name, value in whole["module"].items())
