"""A run on images that is killed at any time and resumed ends with the same files as one that is not."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from avfer.training.engine.checkpoint import CHECKPOINT, read_checkpoint
from tests.training.toy_images import settings

ROOT = Path(__file__).parents[3]
EVERYTHING: dict[str, Any] = {"balance": "sampler", "augment": "strong", "save_every": 1, "epochs": 6}
WAYS: dict[str, dict[str, Any]] = {
    "accumulated": {"accumulate": 3, "batch": 4},
    "sharpness-aware": {"optimiser": {"name": "sgd", "rate": 0.01, "sam": 0.05, "schedule": "cosine", "warm_up": 0.2}},
}


def command(folder: Path, way: str) -> list[str]:
    path = folder / "recipe.yaml"
    given = settings(folder / "out", options={"count": 48, "rare": 3}, **EVERYTHING | WAYS[way])
    path.write_text(yaml.safe_dump(given.model_dump(mode="json")))
    return [sys.executable, "-m", "avfer", "train", str(path), "--resume", "--quiet"]


def ended(arguments: list[str], folder: Path, steps: int) -> bool:
    """Start a run; return whether it ends before it has written `steps` checkpoints and is killed."""
    last, written = folder / "out" / CHECKPOINT, 0
    before = last.stat().st_mtime_ns if last.exists() else 0
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            now = last.stat().st_mtime_ns if last.exists() else 0
            written, before = written + (now != before), now
            if written >= steps:
                process.send_signal(signal.SIGKILL)
            time.sleep(0.001)
    return process.returncode == 0


def same(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(same(a, b) for a, b in zip(first, second, strict=True))
    return first == second


@pytest.mark.slow
@pytest.mark.parametrize("way", sorted(WAYS))
def test_a_run_killed_at_any_time_leaves_the_same_files(tmp_path, way):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    subprocess.run(command(whole, way), cwd=ROOT, check=True, capture_output=True)
    random, kills = np.random.default_rng(0), 0
    while not ended(command(broken, way), broken, int(random.integers(2, 6)) if kills < 4 else 10**6):
        kills += 1
    assert kills >= 3
    first, second = (read_checkpoint(folder / "out") for folder in (whole, broken))
    assert first is not None and same(first, second)
    for name in ("metrics.csv", "best.safetensors", "best.json"):
        assert (whole / "out" / name).read_bytes() == (broken / "out" / name).read_bytes()
