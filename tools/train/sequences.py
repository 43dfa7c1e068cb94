"""Compose training sequences for gru_lite from still faces and acted voices, as no labelled video may be shipped.

A sequence has 15 to 60 steps per second and a few segments of 0.3 to 4 s. In each segment one FER+ face is repeated and
varies between its distorted versions, while a sentence or vocal burst is played. At a border both change to the next
within at most a quarter of a second, so the expression changes, and the person with it. The mouth of a neutral face
that speaks moves: its features and measures swing towards those of faces with an open mouth, at the pace of syllables,
and its targets stay neutral. In one sequence of seven no face is measured.
"""

import math
from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tools.train.features import HOP, Faces, Voice
from tools.train.ferplus import CLASSES
from tools.train.linear import NOISE, UNMEASURED, targets

# Content of a sequence and its probability. In "clash" the voice has another class than the face: expression then
# follows the face, and arousal both. In "talk" neutral faces speak in any voice.
MODES = {"face": 0.25, "pair": 0.2, "clash": 0.15, "talk": 0.1, "voice": 0.2, "face and noise": 0.07, "noise": 0.03}
OPEN_MOUTHS = ("happiness", "surprise", "fear", "disgust")  # expressions whose faces a speaking mouth resembles
LARGEST_SWING = 0.7  # share of the way from neutral faces to those
NEUTRAL_VOICES = 3  # times as many as of every other class, if the voice does not follow a face
EQUAL_SHARE = 0.5  # of the voice in the target of arousal where a face and a voice count alike


@dataclass(frozen=True)
class Sequences:
    """A batch of sequences and their targets."""

    face: Tensor  # (B, T, 256 + M) features and measures
    voice: Tensor  # (B, T, D)
    has_face: Tensor  # (B, T) bool
    has_voice: Tensor  # (B, T) bool
    expression: Tensor  # (B, T, 8) probabilities
    valence_arousal: Tensor  # (B, T, 2) in [-1, 1]
    action_units: Tensor  # (B, T, A) in [0, 1]; valid only where there is a face


@dataclass(frozen=True)
class Timeline:
    """The steps of a sequence and its segments."""

    times: np.ndarray  # (T,) s
    starts: np.ndarray  # (n,) s, of the segments
    segment: Tensor  # (T,) int64, the segment of each step
    previous: Tensor  # (T,) int64, the segment before it
    ramp: Tensor  # (T, 1) in [0, 1], weight of the segment against the previous one

    @staticmethod
    def draw(length: int, random: np.random.Generator) -> "Timeline":
        """Draw a frame rate and segments for `length` steps."""
        fps = math.exp(random.uniform(math.log(15), math.log(60)))
        times = np.arange(length) / fps
        starts = np.cumsum([0.0, *random.uniform(0.3, 4, 40)])
        starts = starts[starts < times[-1]]
        segment = np.searchsorted(starts, times, side="right") - 1
        ramp = np.clip((times - starts[segment]) / random.uniform(0.01, 0.25, len(starts))[segment], 0, 1)
        ramp = torch.from_numpy(np.where(segment > 0, ramp, 1)).float()[:, None]
        previous = np.maximum(segment - 1, 0)
        return Timeline(times, starts, torch.from_numpy(segment), torch.from_numpy(previous), ramp)

    def blend(self, of_segments: Tensor) -> Tensor:
        """Spread a value of each segment over the steps, blending at the borders: (n, D) -> (T, D)."""
        return self.ramp * of_segments[self.segment] + (1 - self.ramp) * of_segments[self.previous]


class Composer:
    """Draws sequences from the faces and voices of one split."""

    def __init__(
        self,
        faces: Faces,
        voices: list[Voice],
        noises: list[Voice],
        seed: int,
        own_affect: bool = False,
        voice_share: float = EQUAL_SHARE,
    ) -> None:
        """Prepare for drawing.

        own_affect: the targets of a voice are its own first two features, arousal and valence, not its label's;
        voice_share: of the voice in the target of arousal where a face and a voice are present, in [0, 1].
        """
        self.faces, self.noises, self.own_affect, self.voice_share = faces, noises, own_affect, voice_share
        self.valence_arousal, self.action_units = targets(faces.shares)
        known = faces.measures.nan_to_num(0.0) + faces.measures.isnan() * faces.measures.nanmean(0).nan_to_num(0.0)
        self.values = torch.cat([faces.values, known.expand(len(faces.values), -1, -1)], 2)  # (V, N, 256 + M)
        self.spread = self.values[0].std(0)
        self.labels = faces.shares.argmax(1).numpy()
        sure = (faces.shares[:, CLASSES.index("neutral")] > 0.7).numpy()
        self.neutral = np.flatnonzero(sure)
        self.voices = [[v for v in voices if v.label and v.label.expression == k] for k in range(len(CLASSES))]
        self.swings = self._swings()
        weights = np.array([float(bool(several)) for several in self.voices])
        weights[CLASSES.index("neutral")] *= NEUTRAL_VOICES
        self.class_weights = weights / weights.sum()
        self.random = np.random.default_rng(seed)

    def draw(self, batch: int, length: int, mode: str | None = None) -> Sequences:
        """Draw `batch` sequences of `length` steps.   mode: one of MODES; without it each sequence has a random one"""
        several = [self._compose(length, mode or self._mode()) for _ in range(batch)]
        return Sequences(*(torch.stack([getattr(s, item.name) for s in several]) for item in fields(Sequences)))

    def still(self, count: int, length: int) -> Sequences:
        """Draw `count` sequences of one face each that does not change, without a voice, in `length` steps."""
        rows = torch.from_numpy(self.random.integers(len(self.labels), size=count))
        versions = torch.from_numpy(self.random.integers(len(self.values), size=count))
        face = self.values[versions, rows]
        face = face + NOISE * self.spread * torch.randn_like(face)
        face[torch.from_numpy(self.random.random(count) < UNMEASURED), self.faces.values.shape[2] :] = torch.nan
        present = torch.ones(count, length, dtype=torch.bool)
        of_rows = (target[rows] for target in (self.faces.shares, self.valence_arousal, self.action_units))
        face, *wanted = (values[:, None].expand(-1, length, -1) for values in (face, *of_rows))
        voice = face.new_zeros(count, length, self.noises[0].values.shape[1])
        return Sequences(face, voice, present, ~present, *wanted)

    def _mode(self) -> str:
        return str(self.random.choice(list(MODES), p=list(MODES.values())))

    def _compose(self, length: int, mode: str) -> Sequences:
        line = Timeline.draw(length, self.random)
        faces = self.neutral if mode == "talk" else np.arange(len(self.valence_arousal))
        rows = torch.from_numpy(self.random.choice(faces, size=len(line.starts)))
        voices = [self._voice(mode, self.labels[row]) for row in rows]
        voice, speech = self._voice_features(line, voices)
        has_face, has_voice = self._presence(mode, line.times)
        speech = torch.ones_like(speech) if self.own_affect else speech
        with_face, speaking = has_face[:, None], (speech * has_voice)[:, None]
        voice_va = (
            voice[:, :2].flip(1)
            if self.own_affect
            else line.blend(
                torch.tensor([(v.label.valence, v.label.arousal) if v.label else (0.0, 0.0) for v in voices])
            )
        )
        label = torch.tensor([v.label.expression if v.label else 0 for v in voices])
        voice_expression = line.blend(F.one_hot(label, len(CLASSES)).float())
        neutral = F.one_hot(torch.zeros(length, dtype=torch.int64), len(CLASSES)).float()
        valence, arousal = line.blend(self.valence_arousal[rows]).unbind(1)
        share = self.voice_share * speaking[:, 0]
        face_va = torch.stack([valence, (1 - share) * arousal + share * voice_va[:, 1]], 1)
        voice_only = (1 - speaking) * neutral + speaking * voice_expression
        face = self._face_features(line, rows)
        if mode == "talk":
            face = face + speaking * self._mouth(line.times)
        if self.random.random() < UNMEASURED:
            face[:, self.faces.values.shape[2] :] = torch.nan
        return Sequences(
            torch.where(with_face, face, 0.0),
            voice * has_voice[:, None],
            has_face,
            has_voice,
            torch.where(with_face, line.blend(self.faces.shares[rows]), voice_only),
            torch.where(with_face, face_va, speaking * voice_va),
            line.blend(self.action_units[rows]),
        )

    def _face_features(self, line: "Timeline", rows: Tensor) -> Tensor:
        """Return what is read of faces, (T, 256 + M): each varies between two of its versions, and noise is added."""
        length, n = len(line.times), len(rows)
        first, second = self.random.integers(len(self.values), size=(2, n))
        phase = 0.5 + 0.5 * np.sin(line.times * self.random.uniform(1, 8) + self.random.uniform(0, 2 * math.pi))
        share = torch.from_numpy(phase).float()[:, None]
        one, other = (line.blend(self.values[version, rows]) for version in (first, second))
        noise = self.random.uniform(0.5, 2) * NOISE * self.spread * torch.randn(length, len(self.spread))
        return (1 - share) * one + share * other + noise

    def _swings(self) -> Tensor:
        """Return the ways from neutral faces to those of OPEN_MOUTHS, in features and measures: (K, 256 + M)."""
        features = self.values[0]
        neutral = features[self.neutral].mean(0)
        return torch.stack([features[self.labels == CLASSES.index(name)].mean(0) - neutral for name in OPEN_MOUTHS])

    def _mouth(self, times: np.ndarray) -> Tensor:
        """Return how the features of a neutral face change while its mouth speaks: (T,) s -> (T, 256 + M)."""
        pace, phase, slow = self.random.uniform(2, 7), self.random.uniform(0, 2 * math.pi), self.random.uniform(0.3, 1)
        opening = np.abs(np.sin(math.pi * pace * times + phase)) * (0.6 + 0.4 * np.sin(2 * math.pi * slow * times))
        way = torch.from_numpy(self.random.dirichlet(np.ones(len(self.swings)))).float() @ self.swings
        return torch.from_numpy(opening * self.random.uniform(0, LARGEST_SWING)).float()[:, None] * way

    def _voice_features(self, line: "Timeline", voices: list[Voice]) -> tuple[Tensor, Tensor]:
        """Return voice features, (T, D), and speech, (T,) in [0, 1], of a sentence for each segment."""
        played = [_play(v, line.times - start, self.random) for v, start in zip(voices, line.starts, strict=True)]
        features, speech = (torch.stack([part[i] for part in played]) for i in (0, 1))
        index, ramp = torch.arange(len(line.times)), line.ramp[:, 0]
        values = line.ramp * features[line.segment, index] + (1 - line.ramp) * features[line.previous, index]
        return values, ramp * speech[line.segment, index] + (1 - ramp) * speech[line.previous, index]

    def _voice(self, mode: str, face_label: int) -> Voice:
        """Draw a sentence for a face: of its class, of any class, or noise, as the mode requires."""
        if "noise" in mode or (mode in ("face", "pair") and not self.voices[face_label]):
            return self.noises[self.random.integers(len(self.noises))]
        label = face_label if mode in ("face", "pair") else int(self.random.choice(len(CLASSES), p=self.class_weights))
        return self.voices[label][self.random.integers(len(self.voices[label]))]

    def _presence(self, mode: str, times: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return has_face and has_voice, (T,) bool, as the mode requires, with random stretches of missing input."""
        has_face = np.full(len(times), mode not in ("voice", "noise"))
        has_voice = np.full(len(times), mode != "face")
        for flags in (has_face, has_voice):
            if self.random.random() < 0.35:
                start, width = self.random.uniform(0, times[-1]), self.random.uniform(0.1, 1.5)
                flags &= (times < start) | (times >= start + width)
        return torch.from_numpy(has_face), torch.from_numpy(has_voice)


def _play(voice: Voice, times: np.ndarray, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Repeat a sentence from a random point on: features, (T, D), and speech, (T,), at `times` (s), interpolated."""
    last = len(voice.values) - 1
    position = (times / (HOP / 100) + random.uniform(0, last)) % last
    row = torch.from_numpy(position.astype(np.int64))
    share = torch.from_numpy(position % 1).float()
    values = voice.values[row] * (1 - share)[:, None] + voice.values[row + 1] * share[:, None]
    return values, voice.speech[row] * (1 - share) + voice.speech[row + 1] * share
