"""A short end-to-end training on the clips of `clip_corpus`."""

from pathlib import Path
from typing import Any

from avfer.progress import no_progress
from avfer.training.sequences.sequence_task import SequenceTask, sequence_task
from avfer.training.training_config import TrainConfig, make_config
from tests.training import clip_corpus


def settings(clips: Path, folder: Path, with_voice: bool = False, hidden: int = 0, **changes: Any) -> TrainConfig:
    folder.mkdir(exist_ok=True)
    values: dict[str, Any] = {
        "corpus": "tests.training.clip_corpus:FilmedClips",
        "root": clips,
        "pipeline": str(clip_corpus.write_pipeline(folder / "toy.yaml", with_voice, hidden)),
        "output": folder / "out",
        **clip_corpus.SHORT_TRAINING,
    }
    return make_config(values | changes, "toy")


def make_task(config: TrainConfig) -> SequenceTask:
    return sequence_task(config, False, no_progress)
