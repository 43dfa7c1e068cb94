"""Recordings with their features and labels, cut into sequences and stacked into batches."""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from avfer.datasets.example import Example, Labels
from avfer.errors import ConfigError
from avfer.training.embed import Features
from avfer.training.footage import Footage
from avfer.training.training_config import Target

DIMENSIONS = ("valence", "arousal")


@dataclass(frozen=True, eq=False)
class Recording:
    """One example: T steps, and the labels that are learned. What is not valid is 0 and never read."""

    id: str
    features: Features | Footage
    pair: np.ndarray  # (T, 2) float32 valence and arousal
    pair_valid: np.ndarray  # (T, 2) bool
    expression: np.ndarray  # (T,) int64
    expression_valid: np.ndarray  # (T,) bool
    units: np.ndarray  # (T, A) float32, 0 or 1
    units_valid: np.ndarray  # (T, A) bool

    def __len__(self) -> int:
        return len(self.features)

    @property
    def step(self) -> float:
        """Seconds between two steps."""
        return float(np.median(np.diff(self.features.times))) if len(self) > 1 else 1.0

    @classmethod
    def of(cls, example: Example, features: Features | Footage, targets: list[Target], names: "Names") -> Self:
        """The labels of an example that are targets."""
        t = len(features)
        pair, pair_valid = np.zeros((t, 2), np.float32), np.zeros((t, 2), bool)
        if "valence_arousal" in targets:
            for column, name in enumerate(DIMENSIONS):
                if (labels := example.labels.get(name)) is not None:
                    pair[:, column], pair_valid[:, column] = _numbers(labels)
        expression, expression_valid = np.zeros(t, np.int64), np.zeros(t, bool)
        if "expression" in targets and (labels := example.labels.get("expression")) is not None:
            expression_valid = labels.valid.copy()
            order = np.array([names.classes.index(name) for name in labels.names])
            expression[expression_valid] = order[labels.values[expression_valid]]
        units = np.zeros((t, len(names.units)), np.float32)
        units_valid = np.zeros(units.shape, bool)
        if "action_units" in targets and (labels := example.labels.get("action_units")) is not None:
            columns = [names.units.index(name) for name in labels.names]
            units[:, columns], units_valid[:, columns] = _numbers(labels)
        return cls(example.id, features, pair, pair_valid, expression, expression_valid, units, units_valid)


@dataclass(frozen=True)
class Names:
    """Classes and action units in the order of the logits."""

    classes: tuple[str, ...] = ()
    units: tuple[str, ...] = ()

    @classmethod
    def of(cls, examples: list[Example], targets: list[Target]) -> Self:
        """All that the labels name, each once, in the order in which they come."""
        found = {kind: dict[str, None]() for kind in ("expression", "action_units")}
        for example in examples:
            for kind, names in found.items():
                if kind in targets and kind in example.labels:
                    names.update(dict.fromkeys(example.labels[kind].names))
        return cls(tuple(found["expression"]), tuple(found["action_units"]))


@dataclass(frozen=True, eq=False)
class Batch:
    """B sequences of T steps at most; valid steps of a sequence come first."""

    face: Tensor  # (B, T, Df); or crops (B, T, S, S, 3) uint8 RGB
    voice: Tensor  # (B, T, Dv); or places among the patches of `sound` (B, T, 1)
    sound: Tensor  # (B, K, 96, 64) log-mel patches that a network hears itself; K = 0 where voice has features
    has_face: Tensor  # (B, T) bool
    has_voice: Tensor  # (B, T) bool
    times: Tensor  # (B, T) s, from the start of the sequence
    valid: Tensor  # (B, T) bool: a step, not padding
    pair: Tensor  # (B, T, 2)
    pair_valid: Tensor  # (B, T, 2) bool
    expression: Tensor  # (B, T) int64
    expression_valid: Tensor  # (B, T) bool
    units: Tensor  # (B, T, A)
    units_valid: Tensor  # (B, T, A) bool

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        return Batch(*(getattr(self, f.name).to(device) for f in fields(self)))


class Sequences:
    """All sequences of some recordings: windows of `length` steps every `stride`, the last ones shorter."""

    def __init__(
        self, recordings: list[Recording], length: int, stride: int, delays: tuple[float, float] = (0.0, 0.0)
    ) -> None:
        self.recordings = recordings
        self.length, self.delays = length, delays
        self.places = [
            (number, start)
            for number, recording in enumerate(recordings)
            for start in range(0, max(len(recording) - length + stride, 1), stride)
            if self._labelled(recording, start)
        ]
        if not self.places:
            raise ConfigError(
                f"delay: moved by {delays} s, no label is left within its recording; choose a shorter one"
            )

    def __len__(self) -> int:
        return len(self.places)

    def batch(self, indices: list[int]) -> Batch:
        """The sequences of these numbers."""
        return stacked([self._sequence(*self.places[i]) for i in indices])

    def name(self, index: int) -> str:
        """The recording of a sequence, and where in it."""
        number, start = self.places[index]
        recording = self.recordings[number]
        return f"{recording.id} from {recording.features.times[start]:.1f} s"

    def _sequence(self, number: int, start: int) -> dict[str, np.ndarray]:
        return cut(self.recordings[number], slice(start, start + self.length), self.delays)

    def _labelled(self, recording: Recording, start: int) -> bool:
        given = _labels(recording, slice(start, start + self.length), self.delays)
        return any(given[name].any() for name in ("pair_valid", "expression_valid", "units_valid"))


def stacked(several: list[dict[str, np.ndarray]]) -> Batch:
    """Sequences side by side, the short ones filled up with 0."""
    names = several[0]
    return Batch(**{name: pad_sequence([torch.from_numpy(s[name]) for s in several], True) for name in names})


def cut(recording: Recording, part: slice, delays: tuple[float, float] = (0.0, 0.0)) -> dict[str, np.ndarray]:
    """All fields of a batch at the steps of a slice; valence and arousal are those of `delays` seconds later."""
    times = recording.features.times[part]
    return {
        **recording.features.cut(part),
        "times": (times - (times[0] if len(times) else 0.0)).astype(np.float32),
        "valid": np.ones(len(times), bool),
        **_labels(recording, part, delays),
    }


def _labels(recording: Recording, part: slice, delays: tuple[float, float]) -> dict[str, np.ndarray]:
    pair, pair_valid = np.zeros_like(recording.pair[part]), np.zeros_like(recording.pair_valid[part])
    for column, delay in enumerate(delays):
        late = slice(part.start + (shift := round(delay / recording.step)), part.start + shift + len(pair))
        told = recording.pair[late, column]
        pair[: len(told), column] = told
        pair_valid[: len(told), column] = recording.pair_valid[late, column]
    return {
        "pair": pair,
        "pair_valid": pair_valid,
        "expression": recording.expression[part],
        "expression_valid": recording.expression_valid[part],
        "units": recording.units[part],
        "units_valid": recording.units_valid[part],
    }


def _numbers(labels: Labels) -> tuple[np.ndarray, np.ndarray]:
    """Values with 0 where they are not valid, and the mask."""
    return np.where(labels.valid, labels.values, 0.0).astype(np.float32), labels.valid
