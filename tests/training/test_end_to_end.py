"""Training of a backbone together with what reads it over time, on clips whose truth is known."""

from pathlib import Path
from typing import Any

import pytest
import torch

from avfer.training.config import TrainConfig, make_config
from avfer.training.train import train
from avfer.training.videos import VideoTask, video_task
from tests.training import filmed

NET = "timm:resnet10t"
SMALL = {"width": 2, "num_features": 12, "num_hidden": 8}


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    return filmed.film(tmp_path_factory.mktemp("filmed") / "clips", sound=True)


def settings(clips: Path, folder: Path, hears: bool = False, hidden: int = 0, **changes: Any) -> TrainConfig:
    told: dict[str, Any] = {
        "corpus": "tests.training.filmed:Filmed",
        "root": clips,
        "pipeline": str(filmed.write_pipeline(folder / "toy.yaml", hears, hidden)),
        "output": folder / "out",
        "backbone": {"name": NET},
        "model_options": {"width": 16, "dropout": 0.0, "modality_dropout": 0.0},
        "size": 32,
        "length": 20,
        "stride": 10,
        "batch": 6,
        "epochs": 8,
        "threads": 1,
        "device": "cpu",
        "optimiser": {"rate": 0.01, "backbone_rate": 0.3},
    }
    return make_config(told | changes, "toy")


def made(config: TrainConfig) -> VideoTask:
    return video_task(config, False, lambda *_: None)


def weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def test_a_backbone_learns_with_the_model_above_it(clips, tmp_path):
    trained = train(settings(clips, tmp_path, hidden=9))
    assert trained.scores["ccc_valence"] > 0.6
    losses = [float(line.split(",")[1]) for line in (tmp_path / "out/metrics.csv").read_text().splitlines()[1:]]
    assert losses[-1] < 0.8 * losses[0]
