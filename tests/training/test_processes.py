"""Face networks on two processes: each sees something else, both hold the same weights, and one process agrees."""

import resource
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from avfer.training.crops import PictureBatch
from avfer.training.pictures import PictureTask, picture_task
from avfer.training.engine.distributed import launch
from avfer.training.train import train
from tests.training.toy_pictures import settings

pytestmark = pytest.mark.slow

DAN: dict[str, Any] = {
    "model": "dan",
    "losses": {"affinity": 1.0, "partition": 1.0},
    "balance": "sampler",
    "options": {"count": 48, "rare": 2},
    "batch": 12,
}


@pytest.fixture
def few_handles() -> Iterator[None]:
    """Far fewer than DAN has tensors."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/dev/fd").iterdir())) + 60, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def curves(tmp_path: Path, column: str, **changes: Any) -> list[list[float]]:
    """A column of metrics.csv on one process, and on two."""
    found = []
    for devices in (1, 2):
        train(settings(tmp_path / str(devices), devices=devices, **changes))
        found.append(pd.read_csv(tmp_path / str(devices) / "metrics.csv")[column].tolist())
    return found


def test_two_processes_learn_the_very_same_where_nothing_is_random(tmp_path):
    one, two = curves(tmp_path, "loss", epochs=4, options={"count": 48})
    assert one == pytest.approx(two, rel=1e-4)
    assert one[-1] < 0.5 * one[0]


def test_two_processes_and_one_learn_as_well_where_much_is_random(tmp_path, few_handles):
    rate = {"name": "adam", "rate": 5e-4, "schedule": "cosine"}
    one, two = curves(tmp_path, "score", epochs=10, optimiser=rate, **DAN)
    assert min(max(one), max(two)) > 0.9, "two thirds of the pictures are of one class"


@dataclass(eq=False)
class Noted(PictureTask):
    """A task of which each process notes what it is asked for."""

    def batch(self, indices: list[int]) -> PictureBatch:
        batch = super().batch(indices)
        weights = torch.cat([p.detach().flatten() for p in self.objective.parameters()])
        self._note("batch", pixels=batch.pixels, labelled=batch.expression_valid.sum(), weights=weights)
        return batch

    def score(self, objective: nn.Module, device: torch.device) -> dict[str, float]:
        self._note("score")
        return super().score(objective, device)

    def _note(self, what: str, **seen: Tensor) -> None:
        folder = self.config.output / f"{what}_{torch.distributed.get_rank()}"
        folder.mkdir(exist_ok=True)
        np.savez(folder / f"{len(list(folder.iterdir()))}.npz", **seen)


def test_each_process_sees_something_else_and_holds_the_same_weights(tmp_path):
    faces = {"root": str(tmp_path / "1"), "batch": 4}
    train(settings(tmp_path / "1", epochs=1))  # its curve.png is a picture
    config = settings(tmp_path / "2", devices=2, augment="strong", unlabelled=faces, **DAN)
    task = picture_task(config, False, lambda *_: None)
    launch(Noted(**{f.name: getattr(task, f.name) for f in fields(task)}), config, lambda *_: None)
    assert len(list((tmp_path / "2/score_0").iterdir())) == config.epochs
    assert not (tmp_path / "2/score_1").exists(), "one process scores for both"
    weights = []
    for number in range(config.epochs * 48 // 12):
        first, second = (np.load(tmp_path / f"2/batch_{rank}/{number}.npz") for rank in (0, 1))
        for seen in (first, second):
            assert len(seen["pixels"]) == 6 + 2 and seen["labelled"] == 6
        assert not any(np.array_equal(a, b) for a in first["pixels"] for b in second["pixels"])
        assert np.array_equal(first["weights"], second["weights"])
        weights.append(first["weights"])
    centres = slice(-3 * 512, None)  # DAN's, the last of its parameters
    assert all((a[centres] != b[centres]).all() for a, b in pairwise(weights))
