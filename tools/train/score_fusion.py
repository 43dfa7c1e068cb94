"""Score gru_lite on the test splits: faces without voice, voices without face, and its response to a step."""

from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from avfer.models.affect.lite import GruLite, LinearLite
from avfer.models.prediction import Prediction
from avfer.models.weights import load_into, locate
from tools.train.bursts import AROUSED, CALM
from tools.train.features import HOP, Faces, Voice
from tools.train.ferplus import CLASSES
from tools.train.linear import predict, scores
from tools.train.voice import recall

FPS = 25
REPEATS = 10  # steps for which a picture is repeated before it is scored

HIGH = AROUSED | {"anger", "fear", "happiness"}  # categories of bursts, emotions of RAVDESS
LOW = CALM | {"calm", "neutral", "sadness"}

Scores = dict[str, tuple[float, str]]


def score(model: GruLite, faces: Faces, voices: list[Voice], folder: Path) -> Scores:
    """Return name -> (value, protocol).

    faces, voices: of persons that were not trained on; folder: of the weights of linear_lite.
    """
    still = scores(predict_pictures(model, faces.inputs), faces)
    protocol = f"FER+ test split, each picture repeated for {REPEATS} instants, no voice"
    results = {n: (v, f"{protocol}; {p}") for n, (v, p) in still.items()}
    return (
        results | compare_with_linear(model, faces, folder) | step_response(model, faces) | score_voices(model, voices)
    )


@torch.inference_mode()
def compare_with_linear(model: GruLite, faces: Faces, folder: Path) -> Scores:
    """Return how far predictions without voice are from those of linear_lite; both must use the same face network."""
    path, card = locate("linear_lite", str(folder / "linear_lite.safetensors"))
    linear = LinearLite(**card.options)
    load_into(linear, path, card)
    reference, fused = predict(linear, faces.inputs), predict_pictures(model, faces.inputs)
    protocol = (
        f"{len(faces.label)} FER+ test pictures, each repeated for {REPEATS} instants, no voice, against linear_lite"
    )
    difference = (reference.valence_arousal - fused.valence_arousal).abs().mean(0)
    same = (reference.expression_logits.argmax(1) == fused.expression_logits.argmax(1)).float().mean()
    return {
        "mean difference of valence from linear_lite": (difference[0].item(), protocol),
        "mean difference of arousal from linear_lite": (difference[1].item(), protocol),
        "same expression as linear_lite": (same.item(), protocol),
    }


@torch.inference_mode()
def predict_pictures(model: GruLite, values: Tensor, steps: int = REPEATS) -> Prediction:
    """Return the predictions for features and measures, (N, D + M), after some steps of the same without voice."""
    parts: list[Prediction] = []
    for part in values.split(256):
        n = len(part)
        face, voice = part[:, None].expand(-1, steps, -1), part.new_zeros(n, steps, model.num_voice)
        present = torch.ones(n, steps, dtype=torch.bool)
        parts.append(model.sequence(face, voice, present, ~present).map(lambda x: x[:, -1]))
    return Prediction.merge(parts, torch.cat)


@torch.inference_mode()
def step_response(model: GruLite, faces: Faces) -> Scores:
    """Return the time in which valence makes 90 % of the step from a neutral to a happy face, over pairs of faces."""
    neutral, happy = (
        torch.where((faces.label == k) & faces.has_majority & (faces.shares[:, k] > 0.8))[0] for k in (0, 1)
    )
    n = min(len(neutral), len(happy), 200)
    first, second = faces.inputs[neutral[:n]], faces.inputs[happy[:n]]
    face = torch.cat([first[:, None].expand(-1, 2 * FPS, -1), second[:, None].expand(-1, 3 * FPS, -1)], 1)
    present = torch.ones(face.shape[:2], dtype=torch.bool)
    voice = face.new_zeros(*face.shape[:2], model.num_voice)
    valence = model.sequence(face, voice, present, ~present).valence_arousal[..., 0]
    before, after = valence[:, 2 * FPS - 1 : 2 * FPS], valence[:, -1:]
    reached = ((valence - before) / (after - before) >= 0.9)[:, 2 * FPS :]
    frames = reached.float().argmax(1).float() + 1
    protocol = f"{n} pairs of FER+ test pictures at {FPS} fps, seconds until 90 % of the step of valence"
    rise = float((after > before).float().mean())
    return {
        "step from neutral to happiness, median": (float(frames.median()) / FPS, protocol),
        "step from neutral to happiness, 95th percentile": (float(frames.quantile(0.95)) / FPS, protocol),
        "valence of happy above neutral": (rise, f"share of {n} pairs of FER+ test pictures, no voice"),
    }


@torch.inference_mode()
def predict_voice(model: GruLite, voice: Voice) -> tuple[Tensor, Tensor]:
    """Return arousal, (T,), and expression probabilities, (T, 8), of a sentence without face, during speech, at FPS."""
    position = torch.arange(0, len(voice.values) - 1, 1 / (HOP / 100 * FPS))
    row, share = position.long(), position % 1
    values = voice.values[row] * (1 - share)[:, None] + voice.values[row + 1] * share[:, None]
    is_speech = (voice.speech[row] * (1 - share) + voice.speech[row + 1] * share) >= 0.5
    is_speech = is_speech if is_speech.any() else torch.ones_like(is_speech)
    present = torch.ones(1, len(values), dtype=torch.bool)
    no_face = values.new_zeros(1, len(values), model.face.in_features)
    out = model.sequence(no_face, values[None], ~present, present)
    return out.valence_arousal[0, :, 1][is_speech], out.expression_logits[0].softmax(1)[is_speech]


def score_voices(model: GruLite, voices: list[Voice]) -> Scores:
    """Return how arousal ranks the voices of unseen persons, and the recall of expressions from the voice alone."""
    labels, arousal, predictions = [v.label for v in voices if v.label], list[float](), list[int]()
    for voice in voices:
        if voice.label:
            level, probabilities = predict_voice(model, voice)
            arousal.append(level.mean().item())
            predictions.append(int(probabilities.mean(0).argmax()))
    levels, results = np.array(arousal), Scores()
    high, low = (np.array([label.name in names for label in labels]) for names in (HIGH, LOW))
    people = f"{len({label.speaker for label in labels})} persons that were not trained on, mean arousal while speaking"
    value = roc_auc_score(high[high | low], levels[high | low])
    results["auc arousal of high above low voices"] = (value, f"{int((high | low).sum())} voices of {people}")
    anger, sadness = (np.array([label.name.lower() == name for label in labels]) for name in ("anger", "sadness"))
    speakers = np.array([label.speaker for label in labels])
    pairs = (speakers[anger][:, None] == speakers[sadness]).nonzero()
    above = levels[anger][pairs[0]] > levels[sadness][pairs[1]]
    results["arousal of angry above sad voice"] = (float(above.mean()), f"{len(above)} pairs of one of {people}")
    targets = [label.expression for label in labels]
    value = recall(torch.tensor(predictions), torch.tensor(targets))
    kinds = f"{len(set(targets))} of {len(CLASSES)} expressions"
    results["uar voice alone"] = (value, f"{len(targets)} voices of persons that were not trained on, {kinds}")
    return results
