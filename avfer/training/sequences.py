"""Recordings with their features and labels, cut into sequences and stacked into batches."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import torch
from torch import Tensor

from avfer.datasets.example import Example, Labels
from avfer.errors import DatasetError
from avfer.training.config import Target
from avfer.training.embed import Features

DIMENSIONS = ("valence", "arousal")


@dataclass(frozen=True, eq=False)
class Recording:
    """One example: T steps, and the labels that are learned. What is not valid is 0 and never read."""

    id: str
    features: Features
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
    def of(cls, example: Example, features: Features, targets: list[Target], names: "Names") -> Self:
        """The labels of an example that are targets; DatasetError where a valid one is no number."""
        t = len(features)
        pair, pair_valid = np.zeros((t, 2), np.float32), np.zeros((t, 2), bool)
        if "valence_arousal" in targets:
            for column, name in enumerate(DIMENSIONS):
                if (labels := example.labels.get(name)) is not None:
                    pair[:, column], pair_valid[:, column] = _numbers(example, name, labels)
        expression, expression_valid = np.zeros(t, np.int64), np.zeros(t, bool)
        if "expression" in targets and (labels := example.labels.get("expression")) is not None:
            expression_valid = labels.valid.copy()
            order = np.array([names.classes.index(name) for name in labels.names])
            expression[expression_valid] = order[labels.values[expression_valid]]
        units = np.zeros((t, len(names.units)), np.float32)
        units_valid = np.zeros(units.shape, bool)
        if "action_units" in targets and (labels := example.labels.get("action_units")) is not None:
            columns = [names.units.index(name) for name in labels.names]
            units[:, columns], units_valid[:, columns] = _numbers(example, "action_units", labels)
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

    face: Tensor  # (B, T, Df)
    voice: Tensor  # (B, T, Dv)
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

    def __len__(self) -> int:
        return len(self.places)

    def batch(self, indices: list[int]) -> Batch:
        """The sequences of these numbers."""
        several = [self._sequence(*self.places[i]) for i in indices]
        longest = max(len(s["valid"]) for s in several)
        return Batch(**{name: torch.stack([_padded(s[name], longest) for s in several]) for name in several[0]})

    def whole(self) -> Iterator[tuple[Recording, Batch]]:
        """Every recording as one sequence, with labels as they are."""
        for recording in self.recordings:
            given = _cut(recording, slice(0, len(recording)), (0.0, 0.0))
            yield recording, Batch(**{name: torch.from_numpy(value)[None] for name, value in given.items()})

    def _sequence(self, number: int, start: int) -> dict[str, Tensor]:
        given = _cut(self.recordings[number], slice(start, start + self.length), self.delays)
        return {name: torch.from_numpy(value) for name, value in given.items()}

    def _labelled(self, recording: Recording, start: int) -> bool:
        given = _cut(recording, slice(start, start + self.length), self.delays)
        return any(given[name].any() for name in ("pair_valid", "expression_valid", "units_valid"))


def _cut(recording: Recording, part: slice, delays: tuple[float, float]) -> dict[str, np.ndarray]:
    """The steps of a slice; valence and arousal are those of `delays` seconds later."""
    f = recording.features
    times = f.times[part]
    pair, pair_valid = np.zeros_like(recording.pair[part]), np.zeros_like(recording.pair_valid[part])
    for column, delay in enumerate(delays):
        late = slice(part.start + (shift := round(delay / recording.step)), part.start + shift + len(times))
        told = recording.pair[late, column]
        pair[: len(told), column] = told
        pair_valid[: len(told), column] = recording.pair_valid[late, column]
    return {
        "face": f.face[part],
        "voice": f.voice[part],
        "has_face": f.has_face[part],
        "has_voice": f.has_voice[part],
        "times": (times - (times[0] if len(times) else 0.0)).astype(np.float32),
        "valid": np.ones(len(times), bool),
        "pair": pair,
        "pair_valid": pair_valid,
        "expression": recording.expression[part],
        "expression_valid": recording.expression_valid[part],
        "units": recording.units[part],
        "units_valid": recording.units_valid[part],
    }


def _padded(value: Tensor, length: int) -> Tensor:
    whole = value.new_zeros(length, *value.shape[1:])
    whole[: len(value)] = value
    return whole


def _numbers(example: Example, name: str, labels: Labels) -> tuple[np.ndarray, np.ndarray]:
    """Values with 0 where they are not valid, and the mask."""
    broken = labels.valid & ~np.isfinite(labels.values)
    if broken.any():
        step = int(np.argwhere(broken)[0][0])
        raise DatasetError(f"{example.id}: the {name} of step {step} is no number, though it is marked as valid")
    return np.where(labels.valid, labels.values, 0.0).astype(np.float32), labels.valid
