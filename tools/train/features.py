"""Compute features of FER+ faces and of voices with the frozen networks, once, and cache them in a folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from avfer.atomic import atomic_rename
from avfer.models.backbones.aver_lite import AverLite
from avfer.models.backbones.voice_lite import VoiceLite
from avfer.models.card import Card
from avfer.models.card_files import read_card
from avfer.models.network import VoiceNetwork
from avfer.models.tensor_files import read_tensors
from avfer.models.weights import sha256
from avfer.signal.log_mel import PATCH_FRAMES
from avfer.signal.voice_frames import LEVELS, voice_frames
from tools.train.bursts import load_bursts, session
from tools.train.face import augment, to_crops
from tools.train.ferplus import CLASSES, distributions, load_faces, majority
from tools.train.mappings import VALENCE_AROUSAL
from tools.train.measures import measure_pictures
from tools.train.ravdess import EMOTIONS, QUIET, Utterance, load_utterances
from tools.train.sound_changes import change_sound

HOP = 20  # frames between voice patches, as in the pipelines: 0.2 s
FACE_VERSIONS = 2  # of a training face: one undistorted, one distorted
VOICE_VERSIONS = 2  # of a training voice: one original, one with another speed, room, noise, codec and gain
STRONG, NORMAL = 1.2, 0.8  # factor of the arousal of a class, where positive, for strong and normal intensity
VOICE_VALENCE = 0.5  # factor of the valence of a class: voices carry it weakly
BURST_CLASSES = {  # category of a vocal burst -> expression
    "Anger": "anger",
    "Ecstasy": "happiness",
    "Elation": "happiness",
    "Triumph": "happiness",
    "Amusement": "happiness",
    "Fear": "fear",
    "Distress": "fear",
    "Surprise (Negative)": "surprise",
    "Surprise (Positive)": "surprise",
    "Sadness": "sadness",
    "Disappointment": "sadness",
    "Contentment": "neutral",
    "Neutral": "neutral",
    "Relief": "neutral",
    "Serenity": "neutral",
    "Sympathy": "neutral",
}


@dataclass(frozen=True)
class Faces:
    """Features of the faces of a split."""

    values: Tensor  # (V, N, 256) float32, V versions of each face
    shares: Tensor  # (N, 8) float32, the distribution of the votes over CLASSES
    label: Tensor  # (N,) int64, the class with most votes
    has_majority: Tensor  # (N,) bool, whether the label has the majority that FER+ requires
    in_train: Tensor  # (N,) bool, whether the same pixels are in the train split too
    measures: Tensor  # (N, M) float32, NaN where unknown

    @property
    def inputs(self) -> Tensor:
        """What a head reads of the undistorted faces, features and measures: (N, 256 + M)."""
        return torch.cat([self.values[0], self.measures], 1)


@dataclass(frozen=True)
class VoiceLabel:
    """The targets of one sentence or vocal burst."""

    expression: int  # index of CLASSES
    valence: float  # in [-1, 1]
    arousal: float  # in [-1, 1]
    speaker: str
    name: str  # emotion as the corpus names it: "anger"
    sentence: str = ""  # the text that is spoken, if it is known
    strong: bool = False  # acted with strong intensity


@dataclass(frozen=True)
class Voice:
    """Features of one sentence or vocal burst, a row every 0.2 s."""

    values: Tensor  # (P, D) float32
    speech: Tensor  # (P,) float32 in [0, 1], how much of the patch is voice
    label: VoiceLabel | None  # None: noise or silence


def write_cache(content: object, path: Path) -> None:
    """Write tensors to a file of the cache, whole or not at all, so that an interrupted run can continue."""
    with atomic_rename(path) as part:
        torch.save(content, part)


def load_network(network: nn.Module, path: Path) -> nn.Module:
    """Load the weights of a file into a network and set it to eval mode."""
    expected, tensors = network.state_dict(), read_tensors(path)
    network.load_state_dict({n: t.float() if expected[n].is_floating_point() else t for n, t in tensors.items()})
    return network.eval()


@torch.inference_mode()
def face_features(data: Path, folder: Path, split: str, cache: Path) -> Faces:
    """Return the faces of a split that have a vote distribution, those of the train split in FACE_VERSIONS versions.

    data: folder of FER+; folder: of the weights of aver_lite and face_lite; cache: folder for features and measures
    (file names hold the sha256 of the weights).
    """
    weights = folder / "aver_lite.safetensors"
    path = cache / f"faces-{split}-{sha256(weights)[:12]}.pt"
    if not path.exists():
        torch.manual_seed(0)
        network = cast(AverLite, load_network(AverLite(), weights)).to(memory_format=torch.channels_last)
        pictures, arrays = load_faces(data, split)
        shares, keep = distributions(arrays["votes"])
        label, has_majority = majority(arrays["votes"])
        faces, versions = torch.from_numpy(pictures[keep]), []
        for version in range(FACE_VERSIONS if split == "train" else 1):
            with torch.autocast("cpu", torch.bfloat16, enabled=split == "train"):
                parts = [network.features(augment(p, p.shape[1]) if version else to_crops(p)) for p in faces.split(128)]
            versions.append(torch.cat(parts).float())
            print(f"{split} faces, version {version}", flush=True)
        in_train = arrays["dup_in_train"] if split != "train" else np.zeros(len(label), bool)
        labels = [torch.from_numpy(array[keep]) for array in (shares, label, has_majority, in_train)]
        write_cache([torch.stack(versions), *labels], path)
    return Faces(*torch.load(path, weights_only=True), _measures(data, folder, split, cache))


def _measures(data: Path, folder: Path, split: str, cache: Path) -> Tensor:
    """Return the measures of the faces that `face_features` returns, from the cache if they are there."""
    path = cache / f"measures-{split}-{sha256(folder / 'face_lite.safetensors')[:12]}.pt"
    if not path.exists():
        pictures, arrays = load_faces(data, split)
        measures = measure_pictures(data, split, pictures, folder)
        write_cache(measures[torch.from_numpy(distributions(arrays["votes"])[1])], path)
    return torch.load(path, weights_only=True)


def load_voice(weights: Path) -> tuple[VoiceLite, Card]:
    """Return voice_lite with the weights of a file, and its card."""
    card = read_card(weights.with_suffix(".json"))
    return cast(VoiceLite, load_network(VoiceLite(**card.options), weights)), card


def burst_voices(data: Path, weights: Path, split: str, cache: Path) -> list[Voice]:
    """Return the vocal bursts of a split ("train" or "valid") that have an expression, in all versions.

    data: folder of the bursts; weights: file of voice_lite; cache: folder for frames and features. The bursts of a
    person follow one another, so that features relative to the voice so far mean the same as in a recording.
    """
    path = cache / f"bursts-{split}-{sha256(weights)[:12]}.pt"
    versions = VOICE_VERSIONS if split == "train" else 1
    if not path.exists():
        network, stored = load_voice(weights)[0], list[tuple[Tensor, Tensor, str, str]]()
        for version in range(versions):
            bursts = [b for b in load_bursts(data, cache, version) if b.split == split]
            random = np.random.default_rng(version)
            for person in sorted({burst.person for burst in bursts}):
                own = [burst for burst in bursts if burst.person == person]
                frames, index = session(own, random)
                values, speech = voice_rows(network, frames)
                owner = index[torch.arange(len(values)) * HOP + PATCH_FRAMES // 2]
                for number, burst in enumerate(own):
                    if int((owner == number).sum()) >= 2 and burst.category in BURST_CLASSES:
                        rows = owner == number
                        stored.append((values[rows], speech[rows], burst.category, person))
        write_cache(stored, path)
    return [
        Voice(values, speech, _burst_label(category, person))
        for values, speech, category, person in torch.load(path, weights_only=True)
    ]


def sentence_voices(data: Path, weights: Path, split: str, cache: Path, changed: bool = False) -> list[Voice]:
    """Return the sentences of a split of RAVDESS.

    data: folder of RAVDESS; weights: file of voice_lite; cache: folder for the features; changed: each sentence also
    with another speed, room, noise, codec and gain. Calm counts as neutral.
    """
    path = cache / f"sentences-{split}{'-changed' if changed else ''}-{sha256(weights)[:12]}.pt"
    utterances = load_utterances(data, split)
    if not path.exists():
        network, random = load_voice(weights)[0], np.random.default_rng(0)
        waves = [utterance.wave for utterance in utterances]
        waves += [change_sound(wave, random) for wave in waves] if changed else []
        write_cache([voice_rows(network, voice_frames(wave)) for wave in waves], path)
    stored = torch.load(path, weights_only=True)
    labels = [sentence_label(u) for u in utterances] * (len(stored) // len(utterances))
    return [Voice(*rows, label) for rows, label in zip(stored, labels, strict=True)]


def pauses(weights: Path, count: int, seed: int) -> list[Voice]:
    """Return the features of silence and of `count` - 1 kinds of noise without voice, five seconds each."""
    network, random = load_voice(weights)[0], torch.Generator().manual_seed(seed)
    waves = [torch.zeros(80_000)]
    for _ in range(count - 1):
        white = torch.randn(80_000, generator=random)
        slow = torch.cumsum(white, 0)
        slow = (slow - slow.mean()) / slow.std()
        share, level = torch.rand(2, generator=random).tolist()
        waves.append((share * white + (1 - share) * slow) * 10 ** (-4.5 + 3 * level))
    outputs = [voice_rows(network, voice_frames(wave)) for wave in waves]
    return [Voice(values, torch.zeros_like(speech), None) for values, speech in outputs]


def _burst_label(category: str, person: str) -> VoiceLabel:
    """Return the targets of a vocal burst."""
    valence, arousal = VALENCE_AROUSAL[BURST_CLASSES[category]]
    return VoiceLabel(CLASSES.index(BURST_CLASSES[category]), VOICE_VALENCE * valence, arousal, person, category)


def sentence_label(utterance: Utterance) -> VoiceLabel:
    """Return the targets of a sentence of RAVDESS; positive arousal is scaled by the intensity of the performance."""
    name = EMOTIONS[utterance.emotion]
    expression = "neutral" if name == "calm" else name
    valence, arousal = VALENCE_AROUSAL[expression]
    scaled = arousal * (STRONG if utterance.strong else NORMAL) if arousal > 0 else arousal
    sentence = Path(utterance.file).stem.split("-")[4]  # the fifth number of the file's name
    return VoiceLabel(
        CLASSES.index(expression),
        VOICE_VALENCE * valence,
        scaled,
        utterance.speaker,
        name,
        sentence,
        utterance.strong,
    )


def loud(frames: Tensor) -> Tensor:
    """Return which frames are voice, those at most QUIET dB below the loudest one: (F, 82) -> (F,) bool."""
    level = 10 * torch.log10((10 ** (frames[:, LEVELS:] / 10)).sum(1))
    return level > level.max() - QUIET


@torch.inference_mode()
def patch_features(network: VoiceNetwork, frames: Tensor) -> Tensor:
    """Return the features of a sound, one row for each patch: (F, 82) -> (P, D)."""
    patches, state, rows = frames.unfold(0, PATCH_FRAMES, HOP).transpose(1, 2)[:, None], network.start_voice(), []
    for part in patches.split(256):
        values, state = network.step_voice(part, state, HOP / 100)
        rows.append(values)
    return torch.cat(rows)


def voice_rows(network: VoiceLite, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Return the features of a sound and how much of each patch is voice: (F, 82) -> (P, D), (P,) in [0, 1]."""
    speech = (2 * loud(frames).float().unfold(0, PATCH_FRAMES, HOP).mean(1)).clamp(max=1)
    return patch_features(network, frames), speech
