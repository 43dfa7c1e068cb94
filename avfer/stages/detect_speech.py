"""detect_speech: the probability that somebody speaks, every 32 ms of sound."""

from dataclasses import dataclass, field, replace
from typing import ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from avfer.catalog import check_call, find
from avfer.models.weights import packaged_files
from avfer.option_types import check_options, option_errors
from avfer.signal.log_mel import SAMPLE_RATE
from avfer.speech_detector import SpeechDetector
from avfer.stages.sample_times import SampleTimes
from avfer.types import AudioBatch, SpeechProbabilities, VoiceFeatures

BLOCK = 32  # windows in one forward pass, always: the shape of a batch changes the last bits of its outputs
AVERAGED = 0.15  # seconds before and after a window; its probability is the mean over the windows within
QUIET = 0.5  # seconds before and after a window that must be silent too if it counts as digital silence
SILENT_PEAK = 1e-4  # of full scale (-80 dB); digital silence and its dither stay below, any microphone is above


@dataclass(frozen=True, eq=False)
class SpeechState:
    """The part of the sound that is still needed: samples that wait for their block, windows for later ones."""

    times: SampleTimes  # of the sound so far
    samples: Tensor  # (S,) float32 from the context of the next window on
    memory: Tensor  # of the detector after the newest window
    windows: int = 0  # computed so far
    rows: int = 0  # windows that were output
    first: int = 0  # index of the window of probabilities[0]
    probabilities: np.ndarray = field(default_factory=lambda: np.zeros(0))  # (M,) float64, of the newest windows
    silent: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))  # (M,), whether they are digital silence
    ended: bool = False  # whether all samples have arrived


@dataclass
class DetectSpeech:
    """Estimate where somebody speaks in 16 kHz sound, in the picture or not.

    Each row is a window of the detector, 32 ms for `silero_vad`; its probability is the mean over the windows up to
    about 0.15 s before and after it (five each), so that a click does not count as speech and a short pause between
    words does not end it. Rows in a second of digital silence are marked `silent`. Windows and blocks of them are
    counted from the start of the sound; the last window is padded with silence.
    """

    sound_rate: ClassVar[int] = SAMPLE_RATE  # Hz
    detector: str = "silero_vad"  # name in the catalog, or "package.module:Name" of a class like SpeechDetector
    _detector: SpeechDetector | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        check_options(self)
        with option_errors("detector"):
            check_call("speech detector", self.detector, find("speech detector", self.detector))

    def load(self, device: torch.device) -> None:
        """Build the detector; it is so small that the CPU is its best device, whatever `device` is."""
        network = cast(nn.Module, find("speech detector", self.detector)()).eval()
        self._detector = cast(SpeechDetector, network)

    def files(self) -> dict[str, str]:
        """Return the sha256 of the detector's weight files by their names; none unless the detector declares them."""
        return packaged_files(find("speech detector", self.detector))

    def start(self) -> SpeechState:
        """Return the state before the first sample."""
        detector = self._loaded()
        return SpeechState(SampleTimes(self.sound_rate), torch.zeros(detector.context), detector.start())

    @torch.inference_mode()
    def step(self, state: SpeechState, sound: AudioBatch) -> tuple[SpeechState, SpeechProbabilities]:
        """Return the rows whose probability is final by now; all of them once the sound has ended.

        Raises ConfigError for sound that is not mono or not 16 kHz, ValueError if samples are missing.
        """
        state = self._computed(
            replace(
                state,
                times=state.times.add(sound, "detect_speech"),
                samples=torch.cat([state.samples, sound.samples[0].cpu()]) if sound.samples.numel() else state.samples,
                ended=state.ended or sound.last,
            )
        )
        window = self._loaded().window
        near, far = (round(seconds * SAMPLE_RATE / window) for seconds in (AVERAGED, QUIET))
        stop = state.windows if state.ended else max(state.rows, state.windows - far)
        index = np.arange(state.rows, stop)
        values = _averages(state.probabilities, index - state.first, near).astype(np.float32)
        rows = VoiceFeatures(
            values=torch.from_numpy(values)[:, None],
            times=state.times.of(index * window + window / 2),
            window=window / SAMPLE_RATE,
            start=state.times.start,
            stop=state.times.stop if state.ended else float(state.times.of(np.asarray(stop * window))),
            last=state.ended,
            clip_stop=sound.clip_stop,
            gaps=sound.gaps,
            clip_start=sound.clip_start,
            silent=_averages(state.silent.astype(np.float64), index - state.first, far) == 1,
        )
        drop = max(0, stop - far - state.first)
        probabilities, silent = state.probabilities[drop:], state.silent[drop:]
        kept = replace(state, rows=stop, first=state.first + drop, probabilities=probabilities, silent=silent)
        return kept, SpeechProbabilities(rows)

    def _computed(self, state: SpeechState) -> SpeechState:
        """Compute the windows of whole blocks; after the end of the sound, of all samples."""
        detector = self._loaded()
        window, context = detector.window, detector.context
        samples, memory, count = state.samples, state.memory, state.windows
        total = -(-state.times.count // window) if state.ended else state.times.count // window // BLOCK * BLOCK
        probabilities, silent = [state.probabilities], [state.silent]
        while count < total:
            size = context + BLOCK * window
            block = nn.functional.pad(samples[:size], (0, max(0, size - len(samples))))
            windows = block.unfold(0, context + window, window)
            known = min(BLOCK, total - count)
            found, memory = detector(windows, memory)  # after the end, its state is that after padded windows
            probabilities.append(found[:known].double().numpy())
            silent.append((windows[:known, context:].abs().amax(1) <= SILENT_PEAK).numpy())
            samples, count = samples[BLOCK * window :], count + known
        return replace(
            state,
            samples=samples.clone(),
            memory=memory.clone(),
            windows=count,
            probabilities=np.concatenate(probabilities),
            silent=np.concatenate(silent),
        )

    def _loaded(self) -> SpeechDetector:
        assert self._detector is not None, "load() must be called first"
        return self._detector


def _averages(values: np.ndarray, index: np.ndarray, reach: int) -> np.ndarray:
    """Return the mean of the values at most `reach` places before and after some places, as far as they exist.

    values: (M,) float64, index: (N,) int64 in [0, M) -> (N,) float64. The sums have the same order whatever M is.
    """
    total, count = np.zeros(len(index)), np.zeros(len(index))
    if not len(index):  # most steps of a pipeline
        return total
    padded, exists = np.pad(values, reach), np.pad(np.ones(len(values)), reach)
    for place in range(2 * reach + 1):
        total += padded[index + place]
        count += exists[index + place]
    return total / count
