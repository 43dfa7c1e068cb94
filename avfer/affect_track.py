"""The result of a pipeline: affect of every face on every frame, one row each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avfer.provenance import Provenance
from avfer.types import Clock, FaceTracks, concat

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["AffectTrack", "Provenance"]


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
        return concat(parts)

    def to_pandas(self) -> "pd.DataFrame":
        """The table of the contract: one row per frame and track; what is not known is null."""
        from avfer.export.table import to_pandas

        return to_pandas(self)

    def save(self, path: str | Path) -> Path:
        """Write the table to a .parquet, .csv or .jsonl file; it appears whole or not at all. Returns its path."""
        from avfer.export.writer import save

        return save(self, Path(path))

    def plot(self) -> "Figure":
        """Valence and arousal over time with a strip of expressions beneath, as a Matplotlib figure."""
        from avfer.export.plot import plot

        return plot(self)
