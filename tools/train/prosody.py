"""Write the weights of prosody, the mean and std of its descriptors: `python -m tools.train.prosody SPEECH RAVDESS`.

SPEECH is a folder with recordings of GRID (avfer uses six sentences, grid_*.mpg, CC BY 4.0). The card reports how well
a logistic regression on the mean descriptors of a sentence recognises the emotions of RAVDESS: it is trained on
speakers 1-14 and scored on speakers 19-22.
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
from avfer.models.card_files import BUILTIN
from avfer.models.weights import save
from avfer.signal.log_mel import SAMPLE_RATE, log_mel
from tools.train.ravdess import load_utterances, log_mels, patches_of

HOP = 20  # frames between patches


def read_speech(path: Path) -> Tensor:
    """Read the audio of any media file: -> (S,) float32 in [-1, 1], 16 kHz, mono."""
    resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE)
    with av.open(str(path)) as media:
        parts = [one.to_ndarray()[0] for frame in media.decode(audio=0) for one in resampler.resample(frame)]
    return torch.from_numpy(np.concatenate(parts).astype(np.float32) / 32768)


def fit_prosody(folder: Path) -> Prosody:
    """Return the descriptors, standardized by the patches of all GRID recordings in a folder."""
    model = Prosody()
    frames = [log_mel(read_speech(path)) for path in sorted(folder.glob("grid_*.mpg"))]
    described = torch.cat([model.describe(patches_of(one, HOP)[0]) for one in frames])
    model.centre, model.scale = described.mean(0), described.std(0)
    return model.half().float()  # rounded to half precision, as they will be stored


def sentences(model: Prosody, data: Path, split: str) -> tuple[np.ndarray, list[int]]:
    """Return the mean descriptors of each sentence of a split, (N, D) float32, and N emotions (indices of EMOTIONS)."""
    utterances = load_utterances(data, split)
    means = [model.features(patches_of(frames, HOP)[0]).mean(0) for frames in log_mels(utterances)]
    return torch.stack(means).numpy(), [utterance.emotion for utterance in utterances]


def publish(speech: Path, data: Path, folder: Path) -> None:
    """Write weights and card, with the unweighted average recall of a linear classifier on RAVDESS."""
    model = fit_prosody(speech)
    classifier = LogisticRegression(max_iter=5000).fit(*sentences(model, data, "train"))
    features, emotions = sentences(model, data, "test")
    uar = float(recall_score(emotions, classifier.predict(features), average="macro"))
    data_set = f"RAVDESS speech, speakers 19-22 (test), {len(emotions)} sentences"
    protocol = f"{data_set}, logistic regression on the mean of each sentence"
    card = Prosody.card().model_copy(update={"metrics": [Metric(name="uar", value=round(uar, 4), protocol=protocol)]})
    print(f"{uar:.4f} {save(model, card, folder / 'prosody.safetensors')}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("speech", type=Path, help="folder with grid_*.mpg, for the mean and the standard deviation")
    parser.add_argument("ravdess", type=Path, help="folder with labels.csv and audio/")
    parser.add_argument("--folder", type=Path, default=BUILTIN, help="folder for the weights")
    options = parser.parse_args()
    with torch.inference_mode():
        publish(options.speech, options.ravdess, options.folder)
