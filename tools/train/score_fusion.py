"""What gru_lite is worth on the test splits: faces without sound, voices without faces, and how fast it follows."""

from collections import defaultdict
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avfer.models.affect.gru import GruLite
from avfer.models.affect.heads import AffectOutputs
from avfer.models.affect.linear import LinearLite
from avfer.models.weights import load_into, locate
from tools.train.features import HOP, Faces, Voice, face_features, voice_features
from tools.train.ferplus import CLASSES
from tools.train.linear import scores
from tools.train.ravdess import EMOTIONS
from tools.train.sequences import voice_class
from tools.train.voice import recall

FPS = 25
HELD = 10  # instants a picture is shown before it is scored

Scores = dict[str, tuple[float, str]]


def score(model: GruLite, places: tuple[Path, Path, Path], weights: tuple[Path, Path]) -> Scores:
    """Name -> value and protocol."""
    ferplus, ravdess, cache = places
    faces = face_features(ferplus, weights[0], "test", cache)
    voices = voice_features(ravdess, weights[1], "test", cache)[0]
    shown = scores(watch(model, faces.values[0]), faces)
    protocol = f"FER+ test split, each picture held for {HELD} instants, no voice"
    told = {n: (v, f"{protocol}; {p}") for n, (v, p) in shown.items()}
    return told | agree(model, faces) | follow(model, faces) | listen(model, voices)


@torch.inference_mode()
def agree(model: GruLite, faces: Faces) -> Scores:
    """How near the fusion comes to linear_lite where nothing is heard; both must know the same face network."""
    path, card = locate("linear_lite", "builtin")
    linear = LinearLite(**card.options)
    load_into(linear, path, card)
    alone, fused = linear.heads(faces.values[0]), watch(model, faces.values[0])
    protocol = f"{len(faces.label)} FER+ test pictures, each held for {HELD} instants, no voice, against linear_lite"
    same = (alone.expression_logits.argmax(1) == fused.expression_logits.argmax(1)).float().mean()
    return {
        "mean difference of valence from linear_lite": ((alone.valence - fused.valence).abs().mean().item(), protocol),
        "mean difference of arousal from linear_lite": ((alone.arousal - fused.arousal).abs().mean().item(), protocol),
        "same expression as linear_lite": (same.item(), protocol),
    }


@torch.inference_mode()
def watch(model: GruLite, values: Tensor, instants: int = HELD) -> AffectOutputs:
    """Outputs for pictures (N, D), each held for some instants, no voice."""
    parts: list[AffectOutputs] = []
    for part in values.split(256):
        n = len(part)
        face, voice = part[:, None].expand(-1, instants, -1), part.new_zeros(n, instants, model.num_voice)
        seen = torch.ones(n, instants, dtype=torch.bool)
        parts.append(AffectOutputs(*(x[:, -1] for x in model.sequence(face, voice, seen, ~seen))))
    return AffectOutputs(*(torch.cat(x) for x in zip(*parts, strict=True)))


@torch.inference_mode()
def follow(model: GruLite, faces: Faces) -> Scores:
    """How soon valence makes nine tenths of the step from a neutral face to a happy one."""
    neutral, happy = (torch.where((faces.label == k) & faces.certain & (faces.shares[:, k] > 0.8))[0] for k in (0, 1))
    n = min(len(neutral), len(happy), 200)
    first, second = faces.values[0][neutral[:n]], faces.values[0][happy[:n]]
    face = torch.cat([first[:, None].expand(-1, 2 * FPS, -1), second[:, None].expand(-1, 3 * FPS, -1)], 1)
    seen = torch.ones(face.shape[:2], dtype=torch.bool)
    valence = model.sequence(face, face.new_zeros(*face.shape[:2], model.num_voice), seen, ~seen).valence
    before, after = valence[:, 2 * FPS - 1 : 2 * FPS], valence[:, -1:]
    there = ((valence - before) / (after - before) >= 0.9)[:, 2 * FPS :]
    frames = there.float().argmax(1).float() + 1
    protocol = f"{n} pairs of FER+ test pictures at {FPS} fps, seconds until 90 % of the step of valence"
    rise = float((after > before).float().mean())
    return {
        "step neutral to happiness, median": (float(frames.median()) / FPS, protocol),
        "step neutral to happiness, 95th percentile": (float(frames.quantile(0.95)) / FPS, protocol),
        "valence of happy over neutral": (rise, f"share of {n} pairs of FER+ test pictures, no voice"),
    }


@torch.inference_mode()
def hear(model: GruLite, voice: Voice) -> tuple[Tensor, Tensor]:
    """A sentence alone, at 25 instants a second: arousal (T,) and expression probabilities (T, 8) while it speaks."""
    place = torch.arange(0, len(voice.values) - 1, 1 / (HOP / 100 * FPS))
    row, share = place.long(), place % 1
    values = voice.values[row] * (1 - share)[:, None] + voice.values[row + 1] * share[:, None]
    speaks = (voice.speech[row] * (1 - share) + voice.speech[row + 1] * share) >= 0.5
    heard = torch.ones(1, len(values), dtype=torch.bool)
    out = model.sequence(values.new_zeros(1, len(values), model.num_face), values[None], ~heard, heard)
    return out.arousal[0][speaks], out.expression_logits[0].softmax(1)[speaks]


def listen(model: GruLite, voices: list[Voice]) -> Scores:
    """Angry against sad sentences of the same speaker, and recall of the expressions from the voice alone."""
    arousal: dict[tuple[str, str, bool], list[float]] = defaultdict(list)
    guesses, truth = [], []
    for voice in voices:
        if voice.utterance is None:
            continue
        level, probabilities = hear(model, voice)
        u = voice.utterance
        arousal[EMOTIONS[u.emotion], u.speaker, u.strong].append(level.mean().item())
        guesses.append(int(probabilities.mean(0).argmax()))
        truth.append(voice_class(u))
    speakers = sorted({speaker for _, speaker, _ in arousal})
    told: Scores = {}
    for name, kinds in (("", (False, True)), (", normal intensity", (False,)), (", strong intensity", (True,))):
        pairs = [
            angry > sad
            for speaker, a, s in product(speakers, kinds, kinds)
            for angry, sad in product(arousal["anger", speaker, a], arousal["sadness", speaker, s])
        ]
        protocol = f"{len(pairs)} pairs of sentences of the same test speaker (19-22), mean arousal while speaking"
        told[f"arousal of angry over sad voice{name}"] = (float(np.mean(pairs)), protocol)
    kinds = f"{len(set(truth))} of {len(CLASSES)} expressions"
    value = recall(torch.tensor(guesses), torch.tensor(truth))
    told["uar voice alone"] = (value, f"RAVDESS test speakers, {len(truth)} sentences, {kinds}, calm as neutral")
    return told
