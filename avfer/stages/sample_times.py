"""The time of each sample of a sound whose long silences were left out."""

from dataclasses import dataclass, replace

import numpy as np

from avfer.errors import ConfigError, counted
from avfer.types import AudioBatch


@dataclass(frozen=True, eq=False)
class SampleTimes:
    """The samples received so far, and the time of each."""

    rate: int  # Hz, that the stage needs
    start: float = float("nan")  # seconds, time of the first sample; NaN before it
    count: int = 0  # samples received so far
    skips: tuple[tuple[int, float], ...] = ()  # (sample, seconds): silence that was left out before a sample

    def add(self, sound: AudioBatch, stage: str) -> "SampleTimes":
        """Return the times with those of further samples.

        stage: name for messages. Raises ConfigError for sound that is not mono or has another rate, ValueError if
        samples are missing.
        """
        channels, count = sound.samples.shape
        if not count:
            return self
        if sound.sample_rate != self.rate or channels != 1:
            raise ConfigError(
                f"{stage}: the sound must be mono at {self.rate} Hz, got {counted(channels, 'channel')} at"
                f" {sound.sample_rate} Hz; set sample_rate: {self.rate} and channel: mix on decode_audio"
            )
        if sound.first != self.count:
            raise ValueError(f"{stage}: samples {self.count} to {sound.first} are missing")
        skipped = sound.start - self.stop if self.count else 0.0
        skips = (*self.skips, (self.count, round(skipped))) if skipped > 0.5 else self.skips
        start = self.start if self.count else sound.start
        return replace(self, start=start, count=self.count + count, skips=skips)

    def of(self, sample: np.ndarray) -> np.ndarray:
        """Return the time of samples in seconds.   sample: (N,) or () float indices -> the same shape"""
        time = self.start + sample / self.rate
        for first, seconds in self.skips:
            time = np.where(sample >= first, time + seconds, time)
        return time

    @property
    def stop(self) -> float:
        """Seconds, end of the sound so far; NaN before the first sample."""
        return float(self.of(np.asarray(self.count)))
