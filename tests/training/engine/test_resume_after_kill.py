"""A run on images that is killed at any time and resumed ends with the same files as one that is not.

Real processes are killed by SIGKILL. One process imports the libraries and forks a new `avfer train` for every start,
because imports take several seconds and a run on these images less than one.
"""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
import yaml

from avfer.training.engine.checkpoint import CHECKPOINT, read_checkpoint
from tests.processes import nothing_left_behind
from tests.training.toy_images import settings

ROOT = Path(__file__).parents[3]
FORKS = """
import os, sys, tempfile
from pathlib import Path
import avfer.training.engine.distributed, avfer.training.images.image_task, avfer.training.train_model
import tests.training.toy_images
from avfer.cli import main
from avfer.training.engine.output_folder import draw_curve, log_epochs
with tempfile.TemporaryDirectory() as folder:  # imports what writes the curve and the events
    for write in (log_epochs, draw_curve):
        write(Path(folder), [{"epoch": 1, "loss": 0.0, "rate": 0.0, "score": 0.0}])
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        try:
            main(["train", line.rstrip("\\n"), "--resume", "--quiet"])
        except SystemExit as end:
            os._exit(end.code or 0)  # without the exit handlers of threads that a fork does not have
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""
EVERYTHING: dict[str, Any] = {"balance": "sampler", "augment": "strong", "save_every": 1, "patience": 99}
WAYS: dict[str, dict[str, Any]] = {
    "accumulated": {"accumulate": 3, "batch": 4},
    "sharpness-aware": {"optimiser": {"name": "sgd", "rate": 0.01, "sam": 0.05, "schedule": "cosine", "warm_up": 0.2}},
}
# What a kill waits for: a file that is written so many times. The files of an epoch are written before its checkpoint,
# and best.json only if its score is the best so far, as in the first one.
EARLY = [(CHECKPOINT, 1), ("best.json", 1)]
LATER = [(CHECKPOINT, 2), ("metrics.csv", 1), (CHECKPOINT, 1), (CHECKPOINT, 3), ("metrics.csv", 1)]


@dataclass
class Forks:
    """The process that forks runs."""

    process: subprocess.Popen[str]

    def start(self, recipe: Path) -> psutil.Process:
        """Start `avfer train RECIPE --resume`."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{recipe}\n")
        self.process.stdin.flush()
        return psutil.Process(int(self.process.stdout.readline()))

    def exit_code(self) -> int:
        """Wait for the end of the run; return its exit code, that of subprocess.Popen."""
        assert self.process.stdout
        return int(self.process.stdout.readline())


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with nothing_left_behind():
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        with subprocess.Popen([sys.executable, "-c", FORKS], cwd=ROOT, text=True, **pipes) as process:
            yield Forks(process)
        assert process.returncode == 0


def write_recipe(folder: Path, way: str, epochs: int) -> Path:
    folder.mkdir()
    given = settings(folder / "out", options={"count": 48, "rare": 3}, epochs=epochs, **EVERYTHING | WAYS[way])
    (folder / "recipe.yaml").write_text(yaml.safe_dump(given.model_dump(mode="json")))
    return folder / "recipe.yaml"


def was_killed(forks: Forks, recipe: Path, file: str, writes: int, delay: float) -> bool:
    """Start a run; return whether it was killed `delay` seconds after the file was written so many times."""
    path = recipe.parent / "out" / file
    run, written, before = forks.start(recipe), 0, written_at(path)
    while run.is_running():
        now = written_at(path)
        written, before = written + (now != before), now
        if written >= writes:
            time.sleep(delay)
            run.kill()
            break
        time.sleep(0.001)
    return forks.exit_code() == -9


def written_at(path: Path) -> int:
    """Return the time of the last write of a file in ns; 0 if there is none."""
    return path.stat().st_mtime_ns if path.exists() else 0


def place_of_kill(out: Path) -> str:
    """Return where a killed run was: within an epoch, between two epochs, or before the first checkpoint."""
    content = read_checkpoint(out)
    if content is None:
        return "before the first checkpoint"
    epochs = len((out / "metrics.csv").read_text().splitlines()) - 1 if (out / "metrics.csv").exists() else 0
    at_the_end = epochs > content["progress"]["epoch"] or content["progress"]["batch"] == 0
    return "between epochs" if at_the_end else "within an epoch"


def same(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(same(a, b) for a, b in zip(first, second, strict=True))
    return first == second


@pytest.mark.slow
@pytest.mark.parametrize(("way", "kills"), [("accumulated", 20), ("sharpness-aware", 8)])
def test_a_run_killed_many_times_leaves_the_same_files(tmp_path, forks, way, kills):
    whole, broken = (write_recipe(tmp_path / name, way, epochs=kills) for name in ("whole", "broken"))
    plain = [sys.executable, "-m", "avfer", "train", str(whole), "--quiet"]  # with hash seeds of its own
    pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(plain, cwd=ROOT, **pipes) as undisturbed:
        random, places = np.random.default_rng(0), Counter[str]()
        for file, writes in islice(chain(EARLY, cycle(LATER)), kills):
            assert was_killed(forks, broken, file, writes, delay=random.uniform(0, 0.05)), places
            places[place_of_kill(broken.parent / "out")] += 1
        forks.start(broken)
        assert forks.exit_code() == 0
        messages = undisturbed.communicate()[1]
    assert undisturbed.returncode == 0, messages
    assert places["within an epoch"] >= kills / 4 and places["between epochs"] >= kills / 4, places
    first, second = (read_checkpoint(recipe.parent / "out") for recipe in (whole, broken))
    assert first is not None and first["progress"]["epoch"] == kills and same(first, second)
    for name in ("metrics.csv", "best.safetensors", "best.json"):
        assert (whole.parent / "out" / name).read_bytes() == (broken.parent / "out" / name).read_bytes()
