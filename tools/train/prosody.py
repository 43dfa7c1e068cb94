"""Measure what prosody is centred and scaled by (python -m tools.train.prosody SPEECH RAVDESS), and write its weights.

SPEECH is a folder with recordings of GRID (avfer's: six sentences, grid_*.mpg, CC BY 4.0). RAVDESS is
asked what the numbers are worth: a logistic regression of each sentence's mean learns from speakers 1-14 and is
scored on speakers 19-22.
"""

import argparse
from pathlib import Path

import av
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from torch import Tensor

from avfer.models.backbones.prosody import Prosody
from avfer.models.card import Metric
from avfer.models.weights import save
from avfer.signal.log_mel import SAMPLE_RATE, log_mel
from tools.train.ravdess import load_utterances, log_mels, patches_of

HOP = 20  # frames between patches


def sound_of(path: Path) -> Tensor:
    """(S,) float32 in [-1, 1], 16 kHz, mono, of any media file."""
    resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE)
    with av.open(str(path)) as media:
        parts = [one.to_ndarray()[0] for frame in media.decode(audio=0) for one in resampler.resample(frame)]
    return torch.from_numpy(np.concatenate(parts).astype(np.float32) / 32768)


def measured(folder: Path) -> Prosody:
    """The descriptors, centred and scaled by the patches of all GRID recordings in a folder."""
    model = Prosody()
    frames = [log_mel(sound_of(path)) for path in sorted(folder.glob("grid_*.mpg"))]
    told = torch.cat([model.describe(patches_of(one, HOP)[0]) for one in frames])
    model.centre, model.scale = told.mean(0), told.std(0)
    return model.half().float()  # as they are stored


def sentences(model: Prosody, data: Path, split: str) -> tuple[np.ndarray, list[int]]:
    """Mean of each sentence's patches (N, D), and its emotion (N,)."""
    spoken = load_utterances(data, split)
    means = [model.features(patches_of(frames, HOP)[0]).mean(0) for frames in log_mels(spoken)]
    return torch.stack(means).numpy(), [utterance.emotion for utterance in spoken]


def publish(speech: Path, data: Path, folder: Path) -> None:
    """Write the weights and a card that says what a linear reader hears in them."""
    model = measured(speech)
    reader = LogisticRegression(max_iter=5000).fit(*sentences(model, data, "train"))
    heard, emotions = sentences(model, data, "test")
    uar = float(recall_score(emotions, reader.predict(heard), average="macro"))
    protocol = f"RAVDESS speech, speakers 19-22 (test), {len(emotions)} sentences, logistic regression of their means"
    card = Prosody.card().model_copy(update={"metrics": [Metric(name="uar", value=round(uar, 4), protocol=protocol)]})
    print(f"{uar:.4f} {save(model, card, folder / 'prosody.safetensors')}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("speech", type=Path, help="folder of recordings for mean and spread")
    parser.add_argument("ravdess", type=Path, help="folder with labels.csv and audio/")
    parser.add_argument("--folder", type=Path, default=Path("avfer/builtin"), help="where the weights go")
    options = parser.parse_args()
    with torch.inference_mode():
        publish(options.speech, options.ravdess, options.folder)
