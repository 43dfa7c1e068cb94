"""embed_voice: one feature vector per patch of 0.975 s of sound."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from avfer.catalog import find
from avfer.errors import ConfigError
from avfer.models.card import Card
from avfer.models.network import VoiceNetwork, construct, find_network
from avfer.models.weights import load_into, locate, sha256
from avfer.option_types import Number, check_options, option_errors
from avfer.signal import log_mel
from avfer.signal.log_mel import PATCH, PATCH_FRAMES, SAMPLE_RATE, SoundFrames
from avfer.stage import Cards
from avfer.stages.sample_times import SampleTimes
from avfer.types import AudioBatch, VoiceFeatures

BATCH = 8  # patches in one forward pass, always: the shape of a batch changes the last bits of its outputs


@dataclass(frozen=True, eq=False)
class SoundState:
    """The part of the sound that is still needed: samples that wait for their block, frames for their patch."""

    times: SampleTimes  # of the sound so far
    samples: Tensor  # (S,) float32 from the first sample of the next block on
    frames: Tensor  # (F, C) float32 from the first frame of the next patch on (with long hops, the newest)
    memory: Tensor  # (H,) state of the backbone after the patches computed so far
    num_blocks: int = 0  # blocks of frames computed so far
    first_frame: int = 0  # index of frames[0]
    num_patches: int = 0  # patches computed so far
    ended: bool = False  # whether all samples have arrived
    clip_stop: float | None = None  # seconds, end of the whole clip


@dataclass
class EmbedVoice:
    """Compute features of 16 kHz sound with a voice backbone, one row every `hop` seconds.

    Row k covers the 15,600 samples from `k * hop` seconds after the start of the sound on; its time is their centre,
    start + k * hop + 0.4875 s, and later by the silence that decode_audio left out before it. Shorter sound is padded
    with silence to one patch; samples at the end that fill no patch are dropped. Patches of digital silence are marked
    `silent`. Blocks of frames and batches of patches are counted from the start of the sound.
    """

    sound_rate: ClassVar[int] = SAMPLE_RATE  # Hz
    backbone: str = "voice_lite"  # name in the catalog, or "package.module:Name" of a VoiceNetwork
    weights: str = "builtin"  # "builtin", "research", a path, or a URL with its sha256
    hop: Annotated[Number, Field(ge=0.01, le=60)] = 0.2  # seconds from one row to the next, a multiple of 0.01
    card: Card = field(init=False, repr=False)  # of the weights
    frames: SoundFrames = field(init=False, repr=False)  # that the backbone reads
    network: VoiceNetwork = field(init=False, repr=False)  # set by load()
    device: torch.device = field(default=torch.device("cpu"), init=False, repr=False)  # set by load()
    _path: Path = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_options(self)
        if abs(self.hop * 100 - round(self.hop * 100)) > 1e-6:
            raise ConfigError(f"hop: must be a multiple of 0.01 s, such as 0.2, got {self.hop}")
        with option_errors("backbone"):
            find("voice backbone", self.backbone)
        self._path, self.card = locate(self.backbone, self.weights)
        if not self.card.width("voice"):
            raise ConfigError(f"backbone: the card of '{self.backbone}' states no number of voice features")
        self.frames = find_network(self.backbone, VoiceNetwork).frames

    @property
    def feature_cards(self) -> Cards:
        """The card of the backbone, as that of the voice features."""
        return {"voice": self.card}

    def load(self, device: torch.device) -> None:
        """Build the backbone on a device and load its weights."""
        self.device = device
        network = construct(self.backbone, VoiceNetwork, self.card.options)
        load_into(network, self._path, self.card)
        network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  (twice as fast on a CPU)
        network.to(device).eval()
        self.network = network

    def files(self) -> dict[str, str]:
        """Return the sha256 of the weight file by its name."""
        return {self._path.name: sha256(self._path)}

    def start(self) -> SoundState:
        """Return the state before the first sample."""
        frames = torch.zeros(0, self.frames.columns)
        return SoundState(SampleTimes(self.sound_rate), torch.zeros(0), frames, self.network.start_voice())

    def step(self, state: SoundState, sound: AudioBatch) -> tuple[SoundState, VoiceFeatures]:
        """Return the rows of the patches that are complete with this sound.

        Raises ConfigError for sound that is not mono or not 16 kHz, ValueError if samples are missing.
        """
        state = self._with_frames(_append(state, sound))
        rows, centres, silent = [], [], [np.zeros(0, bool)]
        while (ready := self._ready(state)) and (ready >= BATCH or state.ended):
            count = min(ready, BATCH)
            patches = self._patches(state, count)
            vectors, memory = self._vectors(patches, state.memory)
            rows.append(vectors[:count].clone())
            silent.append(log_mel.is_silent(patches[:count, 0, :, : log_mel.BANDS]).numpy())
            centres.append(np.arange(state.num_patches, state.num_patches + count))
            state = replace(self._after(state, count), memory=memory)
        values = torch.cat(rows) if rows else torch.zeros(0, self.card.width("voice"), device=self.device)
        index = np.concatenate(centres) if centres else np.zeros(0, np.int64)
        reached = float(self._centre(state, state.num_patches))
        return state, VoiceFeatures(
            values=values,
            times=self._centre(state, index),
            window=PATCH / SAMPLE_RATE,
            start=state.times.start,
            stop=state.times.stop if state.ended else reached,
            last=state.ended,
            clip_stop=state.clip_stop,
            gaps=sound.gaps,
            clip_start=sound.clip_start,
            silent=np.concatenate(silent),
        )

    def _with_frames(self, state: SoundState) -> SoundState:
        """Compute frames of the waiting samples in whole blocks; after the end of the sound, of all of them."""
        samples, num_blocks, parts = state.samples, state.num_blocks, [state.frames]
        # Sound that is shorter than a patch is continued as silence.
        total = log_mel.num_frames(max(state.times.count, PATCH)) if state.ended and state.times.count else 0
        size, stride = self.frames.stop, log_mel.BLOCK * log_mel.HOP
        while len(samples) >= size or num_blocks * log_mel.BLOCK < total:
            padded = torch.nn.functional.pad(samples[:size], (0, max(0, size - len(samples))))
            frames = self.frames.block(padded)
            parts.append(frames[: total - num_blocks * log_mel.BLOCK] if state.ended else frames)
            samples, num_blocks = samples[stride:], num_blocks + 1
        return replace(state, samples=samples.clone(), num_blocks=num_blocks, frames=torch.cat(parts))

    def _ready(self, state: SoundState) -> int:
        """Return the number of patches whose frames are all there."""
        after = state.first_frame + len(state.frames) - PATCH_FRAMES
        return max(0, after // self._hop_frames - state.num_patches + 1) if after >= 0 else 0

    def _patches(self, state: SoundState, count: int) -> Tensor:
        """Return the next patches as one full batch: (BATCH, 1, 96, C), zeros after the first `count`."""
        patches = torch.zeros(BATCH, 1, PATCH_FRAMES, self.frames.columns)
        for row in range(count):
            first = (state.num_patches + row) * self._hop_frames - state.first_frame
            patches[row, 0] = state.frames[first : first + PATCH_FRAMES]
        return patches

    @torch.inference_mode()
    def _vectors(self, patches: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of a batch of patches and the state.   (BATCH, 1, 96, C), (H,) -> (BATCH, D), (H,)"""
        moved = patches.to(self.device).contiguous(memory_format=torch.channels_last)
        return self.network.step_voice(moved, memory, float(self.hop))

    def _after(self, state: SoundState, count: int) -> SoundState:
        """Return the state after the next patches, without the frames that later ones do not need."""
        num_patches = state.num_patches + count
        drop = min(num_patches * self._hop_frames - state.first_frame, len(state.frames))
        return replace(
            state,
            num_patches=num_patches,
            first_frame=state.first_frame + drop,
            frames=state.frames[drop:].clone(),
        )

    def _centre(self, state: SoundState, patch: np.ndarray | int) -> np.ndarray:
        """Return the centre of patches in seconds.   patch: (N,) or () indices -> the same shape"""
        return state.times.of(np.asarray(patch) * self._hop_frames * log_mel.HOP + PATCH / 2)

    @property
    def _hop_frames(self) -> int:
        """Frames from one patch to the next."""
        return round(self.hop * 100)


def _append(state: SoundState, sound: AudioBatch) -> SoundState:
    """Add the samples of a batch to those that wait."""
    return replace(
        state,
        times=state.times.add(sound, "embed_voice"),
        samples=torch.cat([state.samples, sound.samples[0].cpu()]) if sound.samples.numel() else state.samples,
        ended=state.ended or sound.last,
        clip_stop=sound.clip_stop if sound.clip_stop is not None else state.clip_stop,
    )
