"""The result of a pipeline: affect of every face on every frame, one row each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from avfer.types import Clock, FaceTracks, concat


@dataclass(frozen=True)
class Provenance:
    """Where a result comes from: what the files made of it tell."""

    clip: str  # the input's file name
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])  # version, pipeline, weights, device, stream


@dataclass(frozen=True, eq=False)
class AffectTrack:
    """Affect by frame, then track. NaN is what could not be known: no face, no voice, or no head for it."""

    clock: Clock  # the instants these rows are complete for
    faces: FaceTracks
    valence: np.ndarray  # (N,) float32 in [-1, 1]
    arousal: np.ndarray  # (N,) float32 in [-1, 1]
    expressions: np.ndarray  # (N, K) float32 probabilities that sum to 1
    classes: tuple[str, ...]  # K names
    action_units: np.ndarray  # (N, A) float32 probabilities of occurrence
    action_unit_names: tuple[str, ...]  # A names: "AU01"
    has_voice: np.ndarray  # (N,) bool
    source: Provenance | None = None

    def __len__(self) -> int:
        return len(self.valence)

    @staticmethod
    def concat(parts: Sequence["AffectTrack"]) -> "AffectTrack":
        """Consecutive parts of one clip as one."""
        faces = concat([part.faces for part in parts])
        changes: dict[str, Any] = {"faces": faces, "clock": faces.clock}
        for item in fields(AffectTrack):
            values = [getattr(part, item.name) for part in parts]
            if isinstance(values[0], np.ndarray):
                changes[item.name] = np.concatenate(values)
        return replace(parts[0], **changes)
