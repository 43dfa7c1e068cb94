"""mask_voice: keep the voice where somebody speaks."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch

from avfer.option_types import Share, check_options
from avfer.rows import concat
from avfer.stages.voice_series import VoiceSeries, extended, split_final
from avfer.types import JointFeatures, SpeechProbabilities


@dataclass(frozen=True, eq=False)
class MaskState:
    """Rows whose speech is not known yet, and the speech that they need."""

    features: JointFeatures | None = None  # rows that wait; None before the first step
    speech: VoiceSeries | None = None


@dataclass
class MaskVoice:
    """Add the probability of speech to each row, and drop the voice where it is below `threshold`.

    The column `speech` is interpolated linearly between the centres of the two nearest windows of `detect_speech`, and
    null where there is no sound or digital silence. So music, noise and silence give no affect to rows without a face.
    """

    threshold: Share = 0.5  # lowest probability of speech with which the voice is used
    added_columns: ClassVar[tuple[str, ...]] = ("speech",)

    def __post_init__(self) -> None:
        check_options(self)

    def start(self) -> MaskState:
        """Return the state without rows and speech."""
        return MaskState()

    def step(
        self, state: MaskState, features: JointFeatures, speech: SpeechProbabilities
    ) -> tuple[MaskState, JointFeatures]:
        """Return the rows whose speech is final by now; all of them once the sound has ended."""
        rows = concat([state.features, features]) if state.features else features
        series = extended(state.speech, speech.rows)
        final, waiting, still_needed = split_final(rows, series)
        return MaskState(waiting, still_needed), self._masked(final, series)

    def _masked(self, rows: JointFeatures, series: VoiceSeries) -> JointFeatures:
        """Return rows with the column `speech`, without the voice where it is below the threshold or unknown."""
        values, sounding = series.at(rows.faces.times)
        speech = np.where(sounding, values[:, 0].numpy(), np.float32(np.nan))
        return without_voice(
            replace(rows, activity=speech[:, None], activity_names=self.added_columns), ~(speech >= self.threshold)
        )


def without_voice(features: JointFeatures, rows: np.ndarray) -> JointFeatures:
    """Return features without the voice on some rows. rows: (N,) bool."""
    has_voice = features.has_voice & ~rows
    kept = torch.from_numpy(has_voice).to(features.voice.device)[:, None]
    return replace(features, voice=torch.where(kept, features.voice, 0), has_voice=has_voice)
