"""Sequences composed of still faces and acted voices: what gru_lite learns from, as no labelled video is at hand.

A sequence has 15 to 60 pictures a second and a few segments of 0.3 to 4 s. In each, one FER+ face is held and wavers
between its distorted versions, while a RAVDESS sentence runs; at the border both go over to the next. So the
expression changes, and with it the person, in at most a quarter of a second.
"""

import math
from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tools.train.features import HOP, Faces, Voice
from tools.train.ferplus import CLASSES
from tools.train.linear import NOISE, targets
from tools.train.mappings import VALENCE_AROUSAL
from tools.train.ravdess import EMOTIONS, Utterance

# What is seen and heard in a sequence, and how often. A voice of another class than the face teaches that the face
# decides the expression and both decide arousal.
MODES = {"face": 0.3, "pair": 0.25, "clash": 0.15, "voice": 0.2, "face and noise": 0.07, "noise": 0.03}
STRONG, NORMAL = 1.2, 0.8  # arousal of a strong and a normal voice, over that of its class (where it is positive)
NEUTRAL_VOICES = 3  # times as many as of each other class, where the voice does not follow a face
VOICE_SHARE = 0.5  # of arousal, where there is a face as well


@dataclass(frozen=True)
class Sequences:
    """A batch of sequences and their targets."""

    face: Tensor  # (B, T, 256)
    voice: Tensor  # (B, T, 128)
    has_face: Tensor  # (B, T) bool
    has_voice: Tensor  # (B, T) bool
    expression: Tensor  # (B, T, 8) shares
    pair: Tensor  # (B, T, 2) valence and arousal
    units: Tensor  # (B, T, A); holds where there is a face


@dataclass(frozen=True)
class Timeline:
    """The instants of a sequence and its segments."""

    times: np.ndarray  # (T,) s
    starts: np.ndarray  # (n,) s, of the segments
    now: Tensor  # (T,) int64, the segment of each instant
    before: Tensor  # (T,) int64, the one before it
    ramp: Tensor  # (T, 1), how far the instant has left the one before

    @staticmethod
    def draw(length: int, random: np.random.Generator) -> "Timeline":
        fps = math.exp(random.uniform(math.log(15), math.log(60)))
        times = np.arange(length) / fps
        starts = np.cumsum([0.0, *random.uniform(0.3, 4, 40)])
        starts = starts[starts < times[-1]]
        now = np.searchsorted(starts, times, side="right") - 1
        ramp = np.clip((times - starts[now]) / random.uniform(0.01, 0.25, len(starts))[now], 0, 1)
        ramp = torch.from_numpy(np.where(now > 0, ramp, 1)).float()[:, None]
        return Timeline(times, starts, torch.from_numpy(now), torch.from_numpy(np.maximum(now - 1, 0)), ramp)

    def blend(self, of_segments: Tensor) -> Tensor:
        """A value of each segment (n, D) over time (T, D)."""
        return self.ramp * of_segments[self.now] + (1 - self.ramp) * of_segments[self.before]


def voice_class(utterance: Utterance) -> int:
    """Index in the classes of the face; calm joins neutral."""
    name = EMOTIONS[utterance.emotion]
    return CLASSES.index("neutral" if name == "calm" else name)


def voice_pair(utterance: Utterance) -> tuple[float, float]:
    """Valence and arousal of a sentence: its class, more or less aroused as the actor was asked for."""
    valence, arousal = VALENCE_AROUSAL[CLASSES[voice_class(utterance)]]
    return valence, arousal * ((STRONG if utterance.strong else NORMAL) if arousal > 0 else 1)


class Composer:
    """Draws sequences from the faces and voices of one split."""

    def __init__(self, faces: Faces, voices: list[list[Voice]], noises: list[Voice], seed: int) -> None:
        self.faces, self.noises = faces, noises
        self.pair, self.units = targets(faces.shares)
        self.spread = faces.values[0].std(0)
        self.leading = faces.shares.argmax(1).numpy()
        spoken = [(voice_class(v.utterance), v) for version in voices for v in version if v.utterance]
        self.voices = [[v for label, v in spoken if label == k] for k in range(len(CLASSES))]
        weights = np.array([float(bool(several)) for several in self.voices])
        weights[CLASSES.index("neutral")] *= NEUTRAL_VOICES
        self.heard = weights / weights.sum()
        self.random = np.random.default_rng(seed)

    def draw(self, batch: int, length: int) -> Sequences:
        """(B, T) sequences."""
        several = [self._one(length) for _ in range(batch)]
        return Sequences(*(torch.stack([getattr(s, item.name) for s in several]) for item in fields(Sequences)))

    def _one(self, length: int) -> Sequences:
        mode = str(self.random.choice(list(MODES), p=list(MODES.values())))
        line = Timeline.draw(length, self.random)
        rows = torch.from_numpy(self.random.integers(len(self.pair), size=len(line.starts)))
        voices = [self._voice(mode, self.leading[row]) for row in rows]
        voice, speech = self._sound(line, voices)
        has_face, has_voice = self._holes(mode, line.times)
        seen, heard = has_face[:, None], (speech * has_voice)[:, None]
        said = line.blend(torch.tensor([voice_pair(v.utterance) if v.utterance else (0.0, 0.0) for v in voices]))
        label = torch.tensor([voice_class(v.utterance) if v.utterance else 0 for v in voices])
        meant = line.blend(F.one_hot(label, len(CLASSES)).float())
        silent = F.one_hot(torch.zeros(length, dtype=torch.int64), len(CLASSES)).float()  # neutral
        valence, arousal = line.blend(self.pair[rows]).unbind(1)
        share = VOICE_SHARE * heard[:, 0]
        shown = torch.stack([valence, (1 - share) * arousal + share * said[:, 1]], 1)
        return Sequences(
            self._look(line, rows) * seen,
            voice * has_voice[:, None],
            has_face,
            has_voice,
            torch.where(seen, line.blend(self.faces.shares[rows]), (1 - heard) * silent + heard * meant),
            torch.where(seen, shown, heard * said),
            line.blend(self.units[rows]),
        )

    def _look(self, line: "Timeline", rows: Tensor) -> Tensor:
        """Face features (T, 256): each face sways between two of its versions, under noise."""
        length, n = len(line.times), len(rows)
        first, second = self.random.integers(len(self.faces.values), size=(2, n))
        sway = 0.5 + 0.5 * np.sin(line.times * self.random.uniform(1, 8) + self.random.uniform(0, 2 * math.pi))
        share = torch.from_numpy(sway).float()[:, None]
        one, other = (line.blend(self.faces.values[version, rows]) for version in (first, second))
        noise = self.random.uniform(0.5, 2) * NOISE * self.spread * torch.randn(length, len(self.spread))
        return (1 - share) * one + share * other + noise

    def _sound(self, line: "Timeline", voices: list[Voice]) -> tuple[Tensor, Tensor]:
        """Voice features (T, 128) and speech (T,): a sentence for each segment."""
        told = [_play(v, line.times - start, self.random) for v, start in zip(voices, line.starts, strict=True)]
        sounds, speech = (torch.stack([pair[i] for pair in told]) for i in (0, 1))
        index, ramp = torch.arange(len(line.times)), line.ramp[:, 0]
        values = line.ramp * sounds[line.now, index] + (1 - line.ramp) * sounds[line.before, index]
        return values, ramp * speech[line.now, index] + (1 - ramp) * speech[line.before, index]

    def _voice(self, mode: str, leading: int) -> Voice:
        """A sentence for a face: of its class, of any, or no sentence at all."""
        if "noise" in mode or (mode in ("face", "pair") and not self.voices[leading]):
            return self.noises[self.random.integers(len(self.noises))]
        label = leading if mode in ("face", "pair") else int(self.random.choice(len(CLASSES), p=self.heard))
        return self.voices[label][self.random.integers(len(self.voices[label]))]

    def _holes(self, mode: str, times: np.ndarray) -> tuple[Tensor, Tensor]:
        """has_face and has_voice (T,): both as the mode says, with stretches that are lost."""
        has_face = np.full(len(times), mode not in ("voice", "noise"))
        has_voice = np.full(len(times), mode != "face")
        for flags in (has_face, has_voice):
            if self.random.random() < 0.35:
                start, width = self.random.uniform(0, times[-1]), self.random.uniform(0.1, 1.5)
                flags &= (times < start) | (times >= start + width)
        return torch.from_numpy(has_face), torch.from_numpy(has_voice)


def _play(voice: Voice, times: np.ndarray, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A sentence from any point on, over and over: features (T, 128) and speech (T,), linear between rows."""
    last = len(voice.values) - 1
    place = (times / (HOP / 100) + random.uniform(0, last)) % last
    row = torch.from_numpy(place.astype(np.int64))
    share = torch.from_numpy(place % 1).float()
    values = voice.values[row] * (1 - share)[:, None] + voice.values[row + 1] * share[:, None]
    return values, voice.speech[row] * (1 - share) + voice.speech[row + 1] * share
