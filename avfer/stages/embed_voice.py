"""Hear the voice: sound -> one vector per 0.975 s patch."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avfer.catalog import find
from avfer.errors import ConfigError
from avfer.models.card import Card
from avfer.models.network import VoiceNetwork, find_network
from avfer.models.weights import load_into, locate, sha256
from avfer.signal import log_mel
from avfer.signal.log_mel import PATCH, PATCH_FRAMES, SAMPLE_RATE
from avfer.stage import Cards
from avfer.types import AudioBatch, VoiceFeatures

BATCH = 8  # patches a network sees at once, whatever the chunk: a batch's shape alone moves the last bits


@dataclass(frozen=True, eq=False)
class Heard:
    """What must be kept of the sound: samples that wait for their block, frames that wait for their patch."""

    start: float  # seconds, time of the first sample of all; NaN while nothing was heard
    count: int  # samples heard
    samples: Tensor  # (S,) float32, from the first sample of the next block on
    block: int  # blocks of frames done
    frames: Tensor  # (F, 64) log-mel, from the first frame of the next patch on (or the newest, where hops are long)
    frame: int  # index of frames[0]
    patch: int  # patches done
    ended: bool = False
    clip_stop: float | None = None

    @property
    def stop(self) -> float:
        """Seconds, where what was heard ends; NaN while nothing was."""
        return self.start + self.count / SAMPLE_RATE


@dataclass
class EmbedVoice:
    """Turn sound of 16 kHz into features, one row every `hop` seconds.

    Row k has heard the 15,600 samples from `k * hop` seconds after the start of the sound on; its time is their
    centre, start + k * hop + 0.4875 s. Sound that is shorter is padded with silence to one patch; the tail that
    fills no patch is dropped. Blocks of frames and batches of patches are counted from the start of the sound.
    """

    backbone: str = "vggish_lite"
    weights: str = "builtin"
    hop: float = 0.2  # seconds, a multiple of 0.01
    card: Card = field(init=False, repr=False)
    _path: Path = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.hop < 0.01 or abs(self.hop * 100 - round(self.hop * 100)) > 1e-6:
            raise ConfigError(f"embed_voice: hop is {self.hop} s; choose a multiple of 0.01 s, such as 0.2")
        find("voice backbone", self.backbone)
        self._path, self.card = locate(self.backbone, self.weights)
        if not self.card.width("voice"):
            raise ConfigError(f"embed_voice: the card of {self.backbone} names no number of features")

    @property
    def makes(self) -> Cards:
        """The network whose features these are."""
        return {"voice": self.card}

    def load(self, device: torch.device) -> None:
        """Build the network and put its weights on the device."""
        self.device = device
        network = find_network(self.backbone, VoiceNetwork)(**self.card.options)
        load_into(network, self._path, self.card)
        network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  (twice as fast on a CPU)
        network.to(device).eval()
        self.embed = network.voice_features

    def files(self) -> dict[str, str]:
        """The weight file and its sha256."""
        return {self._path.name: sha256(self._path)}

    def start(self) -> Heard:
        """Nothing heard yet."""
        return Heard(float("nan"), 0, torch.zeros(0), 0, torch.zeros(0, log_mel.BANDS), 0, 0)

    def step(self, state: Heard, sound: AudioBatch) -> tuple[Heard, VoiceFeatures]:
        """The patches that are complete with this sound."""
        state = self._frames(_append(state, sound))
        rows, centres = [], []
        while (ready := self._ready(state)) and (ready >= BATCH or state.ended):
            take = min(ready, BATCH)
            rows.append(self._vectors(state, take))
            centres.append(np.arange(state.patch, state.patch + take))
            state = self._past(state, take)
        values = torch.cat(rows) if rows else torch.zeros(0, self.card.width("voice"), device=self.device)
        index = np.concatenate(centres) if centres else np.zeros(0, np.int64)
        reached = float(self._centre(state, state.patch))
        return state, VoiceFeatures(
            values=values,
            times=self._centre(state, index),
            window=PATCH / SAMPLE_RATE,
            start=state.start,
            stop=state.stop if state.ended else reached,
            last=state.ended,
            clip_stop=state.clip_stop,
        )

    def _frames(self, state: Heard) -> Heard:
        """Turn the samples into frames, whole blocks only; at the end all that is left."""
        samples, block, made = state.samples, state.block, [state.frames]
        # Too short a sound goes on as silence.
        total = log_mel.num_frames(max(state.count, PATCH)) if state.ended and state.count else 0
        size, stride = log_mel.block_stop(0), log_mel.block_start(1)
        while len(samples) >= size or block * log_mel.BLOCK < total:
            padded = torch.nn.functional.pad(samples[:size], (0, max(0, size - len(samples))))
            frames = log_mel.log_mel_block(padded)
            made.append(frames[: total - block * log_mel.BLOCK] if state.ended else frames)
            samples, block = samples[stride:], block + 1
        return replace(state, samples=samples.clone(), block=block, frames=torch.cat(made))

    def _ready(self, state: Heard) -> int:
        """Patches that have all their frames."""
        after = state.frame + len(state.frames) - PATCH_FRAMES
        return max(0, after // self._hop - state.patch + 1) if after >= 0 else 0

    @torch.inference_mode()
    def _vectors(self, state: Heard, take: int) -> Tensor:
        """Features (take, D) of the next patches, computed as one full batch."""
        patches = torch.zeros(BATCH, 1, PATCH_FRAMES, log_mel.BANDS)
        for row in range(take):
            first = (state.patch + row) * self._hop - state.frame
            patches[row, 0] = state.frames[first : first + PATCH_FRAMES]
        patches = patches.to(self.device).contiguous(memory_format=torch.channels_last)
        return self.embed(patches)[:take].clone()

    def _past(self, state: Heard, take: int) -> Heard:
        patch = state.patch + take
        keep = min(patch * self._hop - state.frame, len(state.frames))
        return replace(state, patch=patch, frame=state.frame + keep, frames=state.frames[keep:].clone())

    def _centre(self, state: Heard, patch: np.ndarray | int) -> np.ndarray:
        return state.start + (np.asarray(patch) * self._hop * log_mel.HOP + PATCH / 2) / SAMPLE_RATE

    @property
    def _hop(self) -> int:
        """Frames between two patches."""
        return round(self.hop * 100)


def _append(state: Heard, sound: AudioBatch) -> Heard:
    channels, count = sound.samples.shape
    if count and (sound.sample_rate != SAMPLE_RATE or channels != 1):
        raise ConfigError(
            f"embed_voice hears one channel of {SAMPLE_RATE} Hz, not {channels} of {sound.sample_rate} Hz;"
            f" set sample_rate: {SAMPLE_RATE} and channels: 1 on decode_audio"
        )
    if count and sound.first != state.count:
        raise ValueError(f"embed_voice: samples {state.count} to {sound.first} are missing")
    return replace(
        state,
        start=sound.start if count and not state.count else state.start,
        count=state.count + count,
        samples=torch.cat([state.samples, sound.samples[0].cpu()]) if count else state.samples,
        ended=state.ended or sound.last,
        clip_stop=sound.clip_stop if sound.clip_stop is not None else state.clip_stop,
    )
