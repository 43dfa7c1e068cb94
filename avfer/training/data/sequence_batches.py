"""Recordings with their inputs and labels, cut into sequences and stacked into batches.

The labels of a sequence can be moved earlier by the reaction delay of the raters: step t then has the label that was
given `delay` seconds later. The label of a whole clip has no time, and is not moved.
"""

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from avfer.errors import ConfigError
from avfer.losses.affect_labels import AffectLabels
from avfer.training.data.recording_cache import SequenceInputs
from avfer.training.training_config import NO_DELAY, Delays


@dataclass(frozen=True, eq=False)
class Recording:
    """One example: inputs and labels at T steps."""

    id: str  # of the example
    inputs: SequenceInputs
    labels: AffectLabels  # (T, ...)
    whole_clip: bool = False  # whether all steps have one label, that of the whole clip

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def step(self) -> float:
        """Return the seconds between two steps."""
        return float(np.median(np.diff(self.inputs.times))) if len(self) > 1 else 1.0


@dataclass(frozen=True, eq=False)
class SequenceBatch:
    """B sequences of at most T steps; the valid steps of a sequence come first."""

    face: Tensor  # (B, T, Df) float32 features; or (B, T, S, S, 3) uint8 RGB crops
    voice: Tensor  # (B, T, Dv) float32 features; or (B, T, 1) float32 positions among `patches`
    patches: Tensor  # (B, K, 96, 64) float32 log-mel patches; K = 0 if `voice` holds features
    has_face: Tensor  # (B, T) bool
    has_voice: Tensor  # (B, T) bool
    times: Tensor  # (B, T) float32 s, from the start of the sequence
    valid: Tensor  # (B, T) bool, False for padding
    labels: AffectLabels  # (B, T, ...)

    def to(self, device: torch.device) -> Self:
        """Return the batch on a device."""
        return type(self)(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


class Sequences:
    """All sequences of some recordings: `length` steps starting every `stride` steps; the last ones may be shorter.

    delays: s, by which labels of valence and of arousal are moved earlier.
    """

    def __init__(self, recordings: list[Recording], length: int, stride: int, delays: Delays = NO_DELAY) -> None:
        """Leave out sequences without any label. Raises ConfigError if none is left."""
        self.recordings = recordings
        self.length, self.delays = length, delays
        self.places = [
            (number, start)
            for number, recording in enumerate(recordings)
            for start in range(0, max(len(recording) - length + stride, 1), stride)
            if bool(labels_at(recording, slice(start, start + length), delays).is_labelled().any())
        ]
        if not self.places:
            raise ConfigError(f"delay: {delays} s moves every label out of its recording; choose a shorter one")

    def __len__(self) -> int:
        return len(self.places)

    def batch(self, indices: list[int]) -> SequenceBatch:
        """Return the sequences of these indices."""
        places = [self.places[i] for i in indices]
        return stacked([(self.recordings[n], slice(start, start + self.length)) for n, start in places], self.delays)

    def name(self, index: int) -> str:
        """Return the recording of a sequence with its start: `anna_1 from 12.0 s`."""
        number, start = self.places[index]
        recording = self.recordings[number]
        return f"{recording.id} from {recording.inputs.times[start]:.1f} s"


def stacked(parts: list[tuple[Recording, slice]], delays: Delays = NO_DELAY) -> SequenceBatch:
    """Stack slices of recordings into a batch; shorter ones are padded with 0."""
    inputs = [_inputs_at(recording, steps) for recording, steps in parts]
    labels = [labels_at(recording, steps, delays) for recording, steps in parts]
    tensors = {name: pad_sequence([torch.from_numpy(x[name]) for x in inputs], True) for name in inputs[0]}
    return SequenceBatch(**tensors, labels=AffectLabels.merge(labels, lambda several: pad_sequence(several, True)))


def whole(recording: Recording) -> SequenceBatch:
    """Return a whole recording as a batch of one sequence, its labels not delayed."""
    return stacked([(recording, slice(0, len(recording)))])


def labels_at(recording: Recording, steps: slice, delays: Delays = NO_DELAY) -> AffectLabels:
    """Return the labels at t steps (t, ...); those of valence and arousal are from `delays` seconds later.

    The label of a whole clip stays at every step.
    """
    labels = recording.labels.map(lambda x: x[steps])
    if recording.whole_clip:
        return labels
    values = torch.zeros_like(labels.valence_arousal)
    valid = torch.zeros_like(labels.valence_arousal_valid)
    for column, delay in enumerate(delays):
        shift = round(delay / recording.step)
        later = slice(steps.start + shift, steps.start + shift + len(values))
        late_values = recording.labels.valence_arousal[later, column]
        values[: len(late_values), column] = late_values
        valid[: len(late_values), column] = recording.labels.valence_arousal_valid[later, column]
    return replace(labels, valence_arousal=values, valence_arousal_valid=valid)


def _inputs_at(recording: Recording, steps: slice) -> dict[str, np.ndarray]:
    """Return all fields of a batch but the labels at t steps."""
    times = recording.inputs.times[steps]
    return {
        **recording.inputs.slice(steps),
        "times": (times - (times[0] if len(times) else 0.0)).astype(np.float32),
        "valid": np.ones(len(times), bool),
    }
