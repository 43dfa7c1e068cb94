"""Load vocal bursts (EmoGator, Buhl 2023, arXiv:2301.00508; Apache-2.0) and compose them into sessions of one person.

The folder holds labels.csv (columns file, person, start_s, stop_s, category, instance, split) and audio/, a file for
each person.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avfer.atomic import atomic_rename
from avfer.signal.log_mel import SAMPLE_RATE
from avfer.signal.voice_frames import COLUMNS, LEVELS, voice_frames
from tools.train.sound_changes import change_sound, read_sound

# Arousal and valence of the categories whose sign is clear; our reading, after the README of the data.
AROUSED = frozenset(
    {"Anger", "Ecstasy", "Elation", "Fear", "Pain", "Surprise (Negative)", "Surprise (Positive)", "Triumph"}
    | {"Distress", "Amusement"}
)
CALM = frozenset({"Contentment", "Neutral", "Relief", "Sadness", "Serenity", "Sympathy", "Disappointment"})
PLEASANT = frozenset({"Amusement", "Ecstasy", "Elation", "Triumph", "Surprise (Positive)", "Contentment", "Serenity"})
UNPLEASANT = frozenset(
    {"Anger", "Fear", "Pain", "Distress", "Surprise (Negative)", "Sadness", "Disappointment", "Disgust", "Guilt"}
    | {"Shame", "Contempt"}
)
SHORTEST = 1600  # samples of a burst; shorter ones are continued as silence


@dataclass(frozen=True)
class Burst:
    """The frames of one vocal burst."""

    frames: Tensor  # (F, 82) float16, see avfer.signal.voice_frames
    person: str
    category: str
    split: str  # "train" or "valid"


def load_bursts(root: Path, cache: Path, version: int, categories: frozenset[str] = AROUSED | CALM) -> list[Burst]:
    """Return the bursts of these categories; their frames are computed once and kept in `cache`.

    version: 0 for the sounds as they are, others for changes of speed, room, noise, codec and gain, drawn from this
    seed.
    """
    with (root / "labels.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["category"] in categories]
    path = cache / f"bursts-{len(rows)}-{version}.pt"
    if not path.exists():
        frames = _frames(root, rows, version)
        with atomic_rename(path) as part:
            torch.save(frames, part)
    stored = torch.load(path, weights_only=True)
    return [Burst(one, row["person"], row["category"], row["split"]) for one, row in zip(stored, rows, strict=True)]


def _frames(root: Path, rows: list[dict[str, str]], version: int) -> list[Tensor]:
    """Return the frames, (F, 82) float16, of the bursts of some rows of labels.csv."""
    random, found, name, wave = np.random.default_rng(1001 + version), list[Tensor](), "", torch.zeros(0)
    for row in rows:
        if row["file"] != name:
            name = row["file"]
            wave = read_sound(str(root / "audio" / name))
            print(f"bursts, version {version}: {name}", flush=True)
        first, stop = (int(float(row[key]) * SAMPLE_RATE) for key in ("start_s", "stop_s"))
        sound = torch.nn.functional.pad(wave[first:stop], (0, max(0, SHORTEST - (stop - first))))
        found.append(voice_frames(change_sound(sound, random) if version else sound).half())
    return found


def session(bursts: list[Burst], random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return bursts of one person in random order: (F, 82) float32, and (F,) int64, the burst, -1 in pauses."""
    frames, index = list[Tensor](), list[Tensor]()
    for number in random.permutation(len(bursts)):
        burst = bursts[number].frames.float()
        pause = int(random.uniform(20, 80))
        quiet = burst[burst[:, LEVELS:].sum(1).argmin()].expand(pause, COLUMNS)
        frames += [quiet, burst]
        index += [torch.full((pause,), -1), torch.full((len(burst),), int(number))]
    return torch.cat(frames), torch.cat(index)
