"""Face networks on two processes: other images in each, the same weights in both, and results as on one process."""

import hashlib
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
from numpy.typing import NDArray
from torch import Tensor, nn

from avfer.training.data.image_batches import ImageBatch
from avfer.training.engine.distributed import launch
from avfer.training.images.image_task import ImageTask, image_task
from avfer.training.train_model import train
from tests.training.toy_images import settings

pytestmark = pytest.mark.slow

DAN: dict[str, Any] = {
    "model": "dan",
    "losses": {"affinity": 1.0, "partition": 1.0},
    "balance": "sampler",
    "options": {"count": 48, "rare": 2},
    "batch": 12,
}
CENTRES = slice(-3 * 512, None)  # the last parameters: the centres of the affinity loss


@pytest.fixture
def few_handles() -> Iterator[None]:
    """Allow far fewer file handles than DAN has tensors."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/dev/fd").iterdir())) + 60, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def curves(tmp_path: Path, column: str, **changes: Any) -> list[list[float]]:
    """Return a column of metrics.csv on one process and on two."""
    found = []
    for devices in (1, 2):
        train(settings(tmp_path / str(devices), devices=devices, **changes))
        found.append(pd.read_csv(tmp_path / str(devices) / "metrics.csv")[column].tolist())
    return found


def test_two_processes_have_the_same_losses_as_one_without_random_changes(tmp_path):
    one, two = curves(tmp_path, "loss", epochs=4, options={"count": 48})
    assert one == pytest.approx(two, rel=1e-4)
    assert one[-1] < 0.5 * one[0]


def test_two_processes_learn_as_well_as_one_with_random_changes(tmp_path, few_handles):
    rate = {"name": "adam", "rate": 1e-3, "schedule": "cosine"}
    one, two = curves(tmp_path, "score", epochs=7, optimiser=rate, **DAN)
    assert min(max(one), max(two)) > 0.9, "two thirds of the images are of one class"


@dataclass(eq=False)
class RecordingTask(ImageTask):
    """A task that writes each batch, and each score, of each process to a file."""

    def batch(self, indices: list[int]) -> ImageBatch:
        batch = super().batch(indices)
        weights = torch.cat([p.detach().flatten() for p in self.objective.parameters()])
        self._record(
            "batch",
            pixels=batch.pixels,
            labelled=batch.labels.expression_valid.sum(),
            weights=np.array(hashlib.sha256(weights.numpy().tobytes()).hexdigest()),
            centres=weights[CENTRES],
        )
        return batch

    def score(self, objective: nn.Module, device: torch.device) -> dict[str, float]:
        self._record("score")
        return super().score(objective, device)

    def _record(self, what: str, **arrays: Tensor | NDArray[np.str_]) -> None:
        folder = self.config.output / f"{what}_{torch.distributed.get_rank()}"
        folder.mkdir(exist_ok=True)
        np.savez(folder / f"{len(list(folder.iterdir()))}.npz", **arrays)


def test_each_process_has_other_images_and_the_same_weights(tmp_path):
    faces = {"root": str(tmp_path / "1"), "batch": 4}
    train(settings(tmp_path / "1", epochs=1))  # its curve.png is an image
    config = settings(tmp_path / "2", devices=2, augment="strong", unlabelled=faces, **DAN)
    task = image_task(config, False, lambda *_: None)
    launch(RecordingTask(**{f.name: getattr(task, f.name) for f in fields(task)}), config, lambda *_: None)
    assert len(list((tmp_path / "2/score_0").iterdir())) == config.epochs
    assert not (tmp_path / "2/score_1").exists(), "one process scores for both"
    centres = []
    for number in range(config.epochs * 48 // 12):
        first, second = (np.load(tmp_path / f"2/batch_{rank}/{number}.npz") for rank in (0, 1))
        for batch in (first, second):
            assert len(batch["pixels"]) == 6 + 2 and batch["labelled"] == 6
        assert not any(np.array_equal(a, b) for a in first["pixels"] for b in second["pixels"])
        assert first["weights"] == second["weights"]
        centres.append(first["centres"])
    assert all((a != b).all() for a, b in pairwise(centres))
