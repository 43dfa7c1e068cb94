"""Compute features of FER+ faces and RAVDESS voices with the frozen networks, once, and cache them in a folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from avfer.models.backbones.aver_lite import AverLite
from avfer.models.backbones.vggish import VggishLite
from avfer.models.tensor_files import read_tensors
from avfer.models.weights import sha256
from avfer.signal.log_mel import PATCH_FRAMES, log_mel
from tools.train.face import augment, to_crops
from tools.train.ferplus import distributions, load_faces, majority
from tools.train.ravdess import QUIET, Utterance, at_speed, load_utterances
from tools.train.voice import change_channel

HOP = 20  # frames between voice patches, as in the pipelines: 0.2 s
FACE_VERSIONS = 3  # of a training face: one undistorted, two distorted
VOICE_VERSIONS = 4  # of a training sentence: one original, three with another channel and speed


@dataclass(frozen=True)
class Faces:
    """Features of the faces of a split."""

    values: Tensor  # (V, N, 256) float32, V versions of each face
    shares: Tensor  # (N, 8) float32, the distribution of the votes over CLASSES
    label: Tensor  # (N,) int64, the class with most votes
    has_majority: Tensor  # (N,) bool, whether the label has the majority that FER+ requires
    in_train: Tensor  # (N,) bool, whether the same pixels are in the train split too


@dataclass(frozen=True)
class Voice:
    """Features of one sentence, a row every 0.2 s."""

    values: Tensor  # (P, 128) float32
    speech: Tensor  # (P,) float32 in [0, 1], how much of the patch is voice
    utterance: Utterance | None  # None: noise or silence


def load_network(network: nn.Module, path: Path) -> nn.Module:
    """Load the weights of a file into a network and set it to eval mode."""
    expected, tensors = network.state_dict(), read_tensors(path)
    network.load_state_dict({n: t.float() if expected[n].is_floating_point() else t for n, t in tensors.items()})
    return network.eval()


@torch.inference_mode()
def face_features(data: Path, weights: Path, split: str, cache: Path) -> Faces:
    """Return the faces of a split that have a vote distribution, those of the train split in FACE_VERSIONS versions.

    data: folder of FER+; weights: file of aver_lite; cache: folder for the features (file names hold the sha256 of
    the weights).
    """
    path = cache / f"faces-{split}-{sha256(weights)[:12]}.pt"
    if not path.exists():
        torch.manual_seed(0)
        network = cast(AverLite, load_network(AverLite(), weights)).to(memory_format=torch.channels_last)
        pictures, arrays = load_faces(data, split)
        shares, keep = distributions(arrays["votes"])
        label, has_majority = majority(arrays["votes"])
        faces, versions = torch.from_numpy(pictures[keep]), []
        for version in range(FACE_VERSIONS if split == "train" else 1):
            with torch.autocast("cpu", torch.bfloat16, enabled=version > 0):
                parts = [network.features(augment(p, 48) if version else to_crops(p)) for p in faces.split(128)]
            versions.append(torch.cat(parts).float())
            print(f"{split} faces, version {version}", flush=True)
        in_train = arrays["dup_in_train"] if split != "train" else np.zeros(len(label), bool)
        labels = [torch.from_numpy(array[keep]) for array in (shares, label, has_majority, in_train)]
        cache.mkdir(parents=True, exist_ok=True)
        torch.save([torch.stack(versions), *labels], path)
    return Faces(*torch.load(path, weights_only=True))


def voice_features(data: Path, weights: Path, split: str, cache: Path) -> list[list[Voice]]:
    """Return, for every version, the sentences of a split; the train split has VOICE_VERSIONS versions, others one.

    data: folder of RAVDESS; weights: file of vggish_lite; cache: folder for the features.
    """
    path = cache / f"voices-{split}-{sha256(weights)[:12]}.pt"
    utterances = load_utterances(data, split)
    if not path.exists():
        torch.manual_seed(0)
        network = cast(VggishLite, load_network(VggishLite(), weights))
        versions = VOICE_VERSIONS if split == "train" else 1
        cache.mkdir(parents=True, exist_ok=True)
        waves = [utterance.wave for utterance in utterances]
        torch.save([[_features(network, wave, distort=bool(v)) for wave in waves] for v in range(versions)], path)
    stored = torch.load(path, weights_only=True)
    return [[Voice(*pair, u) for pair, u in zip(version, utterances, strict=True)] for version in stored]


def pauses(weights: Path, count: int, seed: int) -> list[Voice]:
    """Return the features of silence and of `count` - 1 kinds of noise without voice, five seconds each."""
    network = cast(VggishLite, load_network(VggishLite(), weights))
    random = torch.Generator().manual_seed(seed)
    waves = [torch.zeros(80_000)]
    for _ in range(count - 1):
        white = torch.randn(80_000, generator=random)
        slow = torch.cumsum(white, 0)
        slow = (slow - slow.mean()) / slow.std()
        share, level = torch.rand(2, generator=random).tolist()
        waves.append((share * white + (1 - share) * slow) * 10 ** (-4.5 + 3 * level))
    outputs = [_features(network, wave, distort=False) for wave in waves]
    return [Voice(values, torch.zeros_like(speech), None) for values, speech in outputs]


@torch.inference_mode()
def _features(network: VggishLite, wave: Tensor, distort: bool) -> tuple[Tensor, Tensor]:
    """Return the features of a waveform and how much of each patch is voice: (S,) -> (P, 128), (P,).

    distort: change the speed and the channel.
    """
    frames = log_mel(at_speed(wave, float(torch.empty(()).uniform_(0.9, 1.1))) if distort else wave)
    level = 10 * torch.log10((frames.exp() - 0.01).clamp(min=1e-6).pow(2).sum(1))
    loud = (level > level.max() - QUIET).float()
    speech = (2 * loud.unfold(0, PATCH_FRAMES, HOP).mean(1)).clamp(max=1)
    changed = change_channel(frames[None])[0] if distort else frames
    return network.features(changed.unfold(0, PATCH_FRAMES, HOP).transpose(1, 2)[:, None]), speech
