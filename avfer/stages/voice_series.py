"""Features of the voice as a function of time, for the stages that read them at other moments than their windows."""

import math
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from avfer.container import MAX_STEP
from avfer.rows import RowsOfFaces, select
from avfer.types import VoiceFeatures


@dataclass(frozen=True, eq=False)
class VoiceSeries:
    """Features of the voice as a function of time, for as much of it as is known and still needed."""

    values: Tensor  # (M, Dv) float32
    times: np.ndarray  # (M,) float64 s, centre of each window
    start: float = math.nan  # seconds, start of the sound
    stop: float = math.nan  # seconds, end of the sound; known with `last`
    last: bool = False  # whether no later row follows
    silent: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))  # (M,), windows of digital silence

    def __post_init__(self) -> None:
        if not len(self.silent):  # not stated: no window is silent
            object.__setattr__(self, "silent", np.zeros(len(self.times), bool))

    def is_final(self, times: np.ndarray) -> np.ndarray:
        """Return for each moment whether no later row can change the voice there.   (T,) s -> (T,) bool"""
        if self.last:
            return np.ones(len(times), bool)
        newest = self.times[-1] if len(self.times) else -math.inf
        return (times < self.start) | (times <= newest)

    def at(self, times: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """Return the voice at some moments, and whether there is sound.

        Values are linear between the two nearest rows, constant before the first and after the last row, and 0
        outside the sound and where both of these rows are silent. times: (T,) float64 s -> (T, Dv) float32, (T,) bool.
        """
        sounding = np.zeros(len(times), bool)
        if len(self.times):
            sounding = (times >= self.start) & ((times <= self.stop) if self.last else True)
        if not sounding.any():
            return self.values.new_zeros(len(times), self.values.shape[1]), sounding
        right = np.searchsorted(self.times, times, side="right")
        left, right = np.maximum(right - 1, 0), np.minimum(right, len(self.times) - 1)
        sounding &= ~(self.silent[left] & self.silent[right])
        gap = self.times[right] - self.times[left]
        share = np.where(gap > 0, (times - self.times[left]) / np.where(gap > 0, gap, 1), 0).astype(np.float32)
        weight = torch.from_numpy(share * sounding).to(self.values.device)[:, None]
        rest = torch.from_numpy((1 - share) * sounding).to(self.values.device)[:, None]
        # Two products and a sum, each rounded by itself: fused, the last bit would depend on the place in memory.
        before, after = self.values[torch.from_numpy(left)] * rest, self.values[torch.from_numpy(right)] * weight
        return before + after, sounding

    def add(self, voice: VoiceFeatures) -> "VoiceSeries":
        """Return the series with further rows."""
        values, times = torch.cat([self.values, voice.values]), np.concatenate([self.times, voice.times])
        silent = np.concatenate([self.silent, voice.silent])
        return VoiceSeries(values, times, voice.start, voice.stop, voice.last, silent)

    def since(self, time: float) -> "VoiceSeries":
        """Return the series without the rows that are not needed from `time` (s) on; times may go back by MAX_STEP."""
        first = max(0, int(np.searchsorted(self.times, time - MAX_STEP, side="right")) - 1)
        values, times, silent = self.values[first:].clone(), self.times[first:], self.silent[first:]
        return replace(self, values=values, times=times, silent=silent)


def extended(series: VoiceSeries | None, voice: VoiceFeatures) -> VoiceSeries:
    """Return the series with further rows; None is the series before the first rows."""
    return (series or VoiceSeries(voice.values[:0], voice.times[:0])).add(voice)


def split_final(rows: RowsOfFaces, series: VoiceSeries) -> tuple[RowsOfFaces, RowsOfFaces, VoiceSeries]:
    """Split rows at the first instant at which later voice may still change the series.

    Return the rows before it (all of them once the sound has ended), the rows from it on, and the series without what
    only the rows before it need.
    """
    clock = rows.clock
    final = series.is_final(clock.times)
    stop = clock.first + (len(clock) if final.all() else int(final.argmin()))
    known = rows.faces.frames < stop
    before = select(rows, known, clock.part(clock.first, stop))
    waiting = select(rows, ~known, clock.part(stop, clock.stop))
    if len(clock):
        series = series.since(float(clock.times[min(stop - clock.first, len(clock) - 1)]))
    return before, waiting, series
