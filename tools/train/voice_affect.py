"""Train voice_lite, arousal and valence from descriptors: `python -m tools.train.voice_affect BURSTS OUT`.

The weights of the package are trained on vocal bursts alone. `--ravdess FOLDER` makes the weights for research: acted
sentences are added, and the features of vggish_lite. The descriptors of all sounds are computed once, as they are and
with another speed, room, noise, codec and gain, and kept in OUT. The bursts of a person follow one another in random
order, so that descriptors relative to the voice so far mean the same as in a recording. Categories whose arousal and
valence have a clear sign are the targets (`tools/train/bursts.py`). tools/bench/voice.py measures the result.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from torch import Tensor

from avfer.models.backbones.prosody_pitch import NAMES, ProsodyPitch
from avfer.models.backbones.vggish import VggishLite
from avfer.models.backbones.voice_lite import LIMIT, VoiceLite
from avfer.models.card import Card, Metric
from avfer.models.card_files import BUILTIN
from avfer.models.weights import EMBEDDED, save
from avfer.signal.log_mel import PATCH_FRAMES
from avfer.signal.voice_frames import voice_frames
from tools.train.bursts import AROUSED, CALM, PLEASANT, UNPLEASANT, load_bursts, session
from tools.train.features import HOP, VOICE_VERSIONS, load_network, loud, patch_features, write_cache
from tools.train.ravdess import EMOTIONS, load_utterances
from tools.train.sound_changes import change_sound
from tools.twin.voice import Speaker, voice

ACTED = {"anger": 1.0, "fear": 1.0, "happiness": 1.0, "calm": 0.0, "sadness": 0.0, "neutral": 0.0}  # arousal, RAVDESS
NEUTRAL_PITCHES = (110.0, 150.0, 190.0, 240.0)  # Hz, of the synthetic voices that read 0
GAIN = 1.5  # of arousal; acted anger then reads about 0.5, and unacted sentences less than 0.3
STRENGTH = 0.003  # inverse of the penalty on weights
READ = (  # descriptors that mean the same in bursts and in speech
    *("level", "level_relative", "pitch_relative", "pitch_range", "alpha_ratio", "h1_a3", "centroid"),
    *("spectrum_variation", "flux", "harmonicity"),
)


@dataclass(frozen=True)
class Rows:
    """Descriptors of N patches, one every 0.2 s, and their targets."""

    values: Tensor  # (N, 44) float32, not scaled
    arousal: Tensor  # (N,) 0 or 1, NaN if unknown
    valence: Tensor  # (N,) 0 or 1, NaN if unknown
    sound: Tensor  # (N,) int64, the burst or sentence of each
    valid: Tensor  # (N,) bool, whether the person is one of the validation split


def stored(path: Path, make: Callable[[], Rows]) -> Rows:
    """Return the rows of a file, which is made first if it does not exist."""
    if not path.exists():
        write_cache(vars(make()), path)
    return Rows(**torch.load(path, weights_only=True))


def sign(name: str, positive: frozenset[str], negative: frozenset[str]) -> float:
    """Return 1 or 0 for a category of one of two sets, NaN for others."""
    return 1.0 if name in positive else 0.0 if name in negative else float("nan")


def describe(network: ProsodyPitch, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Return the descriptors of a sound and the frames at the centres of their patches: (F, 82) -> (P, 44), (P,)."""
    descriptors = patch_features(network, frames)
    return descriptors, torch.arange(len(descriptors)) * HOP + PATCH_FRAMES // 2


def burst_rows(root: Path, cache: Path) -> Rows:
    """Return the descriptors of all bursts whose arousal is clear, in all versions.

    Patches whose centre is not voice (see `loud`) are left out.
    """
    network, parts, count = ProsodyPitch(), list[tuple[Tensor, ...]](), 0
    for version in range(VOICE_VERSIONS):
        bursts, random = load_bursts(root, cache, version), np.random.default_rng(version)
        for person in sorted({burst.person for burst in bursts}):
            own = [burst for burst in bursts if burst.person == person]
            frames, index = session(own, random)
            for number, burst in enumerate(own):
                index[(index == number).nonzero()[:, 0][~loud(burst.frames.float())]] = -1
            values, centres = describe(network, frames)
            owner = index[centres]
            kept = owner >= 0
            names = [own[number].category for number in owner[kept].tolist()]
            arousal = torch.tensor([sign(name, AROUSED, CALM) for name in names])
            valence = torch.tensor([sign(name, PLEASANT, UNPLEASANT) for name in names])
            valid = torch.full((len(names),), own[0].split == "valid")
            parts.append((values[kept], arousal, valence, owner[kept] + count, valid))
            count += len(own)
    return Rows(*map(torch.cat, zip(*parts, strict=True)))


def sentence_rows(root: Path) -> Rows:
    """Return the descriptors of the training sentences of RAVDESS, in all versions."""
    network, random, parts = ProsodyPitch(), np.random.default_rng(0), list[tuple[Tensor, ...]]()
    for version in range(VOICE_VERSIONS):
        for utterance in load_utterances(root, "train"):
            frames = voice_frames(change_sound(utterance.wave, random) if version else utterance.wave)
            values, centres = describe(network, frames)
            kept = loud(frames)[centres]
            size, name = (int(kept.sum()),), EMOTIONS[utterance.emotion]
            arousal = torch.full(size, ACTED.get(name, float("nan")))
            pleasant = sign(name, frozenset({"happiness"}), frozenset({"anger", "fear", "sadness", "disgust"}))
            sound = torch.full(size, 1_000_000 + len(parts))
            parts.append(
                (values[kept], arousal, torch.full(size, pleasant), sound, torch.zeros(size, dtype=torch.bool))
            )
    return Rows(*map(torch.cat, zip(*parts, strict=True)))


def joined(one: Rows, other: Rows) -> Rows:
    """Return the rows of both."""
    return Rows(*(torch.cat([getattr(one, name), getattr(other, name)]) for name in vars(one)))


def fit(rows: Rows, names: tuple[str, ...]) -> VoiceLite:
    """Return voice_lite fitted to the rows that are not of the validation split.

    names: the descriptors that are read; the others get the weight 0.
    """
    model, used = VoiceLite(), ~rows.valid
    model.prosody.centre, model.prosody.scale = rows.values[used].mean(0), rows.values[used].std(0)
    values = ((rows.values - model.prosody.centre) / model.prosody.scale).clamp(-LIMIT, LIMIT).numpy()
    columns = [NAMES.index(name) for name in names]
    _, place, counts = torch.unique(rows.sound, return_inverse=True, return_counts=True)
    weights = (1 / counts[place].float()).numpy()  # every sound counts alike
    with torch.no_grad():
        model.affect.weight.zero_()
        for output, target in enumerate((rows.arousal, rows.valence)):
            known = (used & ~target.isnan()).numpy()
            fitted = LogisticRegression(C=STRENGTH, max_iter=2000).fit(
                values[known][:, columns], target.numpy()[known], sample_weight=weights[known]
            )
            # tanh of half the log odds is 2 p - 1
            model.affect.weight[output, columns] = torch.from_numpy(fitted.coef_[0] / 2).float()
            model.affect.bias[output] = float(fitted.intercept_[0]) / 2
    return model.eval()


@torch.inference_mode()
def calibrate(model: VoiceLite) -> None:
    """Shift arousal and valence so that calm synthetic speech reads 0, and widen arousal.

    Bursts differ more than sentences do, so that without this all speech would read as somewhat aroused.
    """
    rows = list[Tensor]()
    for pitch in NEUTRAL_PITCHES:
        speaker, random = Speaker(pitch, 0.085), np.random.default_rng(3)
        wave = torch.from_numpy(voice(random, speaker, np.zeros(200, np.float32), [(0.2, 7.8)], 25))
        for decibels in (0, -12):
            frames = voice_frames(wave * 10 ** (decibels / 20))
            rows.append(describe(model.prosody, frames)[0])
    neutral = model.affect(torch.cat(rows).clamp(-LIMIT, LIMIT)).mean(0)
    gain = torch.tensor([GAIN, 1.0])
    model.affect.bias.copy_((model.affect.bias - neutral) * gain)
    model.affect.weight.mul_(gain[:, None])


@torch.inference_mode()
def validation_scores(model: VoiceLite, rows: Rows) -> list[Metric]:
    """Return how well arousal and valence separate the bursts of the persons of the validation split."""
    chosen, metrics = rows.valid, list[Metric]()
    values = (rows.values[chosen] - model.prosody.centre) / model.prosody.scale
    out, sound = model.affect(values.clamp(-LIMIT, LIMIT)).tanh(), rows.sound[chosen]
    names, place = sound.unique(return_inverse=True)
    for column, name, target in ((0, "arousal", rows.arousal), (1, "valence", rows.valence)):
        mean = torch.zeros(len(names)).scatter_reduce(0, place, out[:, column], "mean", include_self=False)
        label = torch.zeros(len(names)).scatter_reduce(0, place, target[chosen], "mean", include_self=False)
        known = ~label.isnan()
        area = float(roc_auc_score(label[known] > 0.5, mean[known]))
        protocol = f"{int(known.sum())} vocal bursts (as they are, and changed) of 10 persons that were not trained on"
        metrics.append(Metric(name=f"auc {name}", value=round(area, 4), protocol=protocol))
    return metrics


def publish(model: VoiceLite, metrics: list[Metric], names: tuple[str, ...], research: bool, folder: Path) -> None:
    """Write weights and card to `folder`, and those of prosody_pitch with the free weights."""
    acted = "CC BY-NC-SA 4.0 (trained on RAVDESS): non-commercial"
    bursts = "EmoGator vocal bursts (Apache-2.0), 70 persons, 17 categories of clear arousal"
    sources = ["Buhl 2023, EmoGator: a new open source vocal burst dataset, arXiv:2301.00508"]
    features = len(NAMES) + 2 + (VggishLite().num_features if research else 0)
    card = Card(
        name="voice_lite",
        task="arousal and valence of a voice",
        description="Arousal and, weakly, valence of windows of 0.96 s, read by a linear layer from the descriptors of"
        f" prosody_pitch, which follow them. Read are {', '.join(names)}. It was trained on sounds of clear arousal,"
        " and calm synthetic speech reads 0: outputs rank voices, they are no ratings."
        + (" The features of vggish_lite come last." if research else ""),
        options={"timbre": True} if research else {},
        features=features,
        layout="specific to avfer",
        data=bursts + ("; RAVDESS speech, speakers 1-14" if research else ""),
        licence_weights=acted if research else "Apache-2.0",
        sources=[*sources, *(["Livingstone and Russo 2018, RAVDESS, doi:10.1371/journal.pone.0196391"] * research)],
        metrics=metrics,
    )
    name = EMBEDDED["research" if research else "builtin"].format(name=card.name)
    print(save(model, card, folder / f"{name}.safetensors", half=True))
    if not research:
        plain = ProsodyPitch.card().model_copy(
            update={
                "data": "EmoGator vocal bursts (Apache-2.0), for the mean and the standard deviation only",
                "licence_weights": "Apache-2.0",
                "metrics": [metric.model_copy(update={"name": f"{metric.name}, by voice_lite"}) for metric in metrics],
            }
        )
        print(save(model.prosody, plain, folder / "prosody_pitch.safetensors"))


def main() -> None:
    """Train, score and write weights and card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bursts", type=Path, help="folder of the vocal bursts, with labels.csv and audio/")
    parser.add_argument("out", type=Path, help="folder for the frames and descriptors")
    parser.add_argument("--ravdess", type=Path, help="folder of RAVDESS: write the weights for research")
    parser.add_argument("--folder", type=Path, default=BUILTIN, help="folder of all weights")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = stored(options.out / "burst-rows.pt", lambda: burst_rows(options.bursts, options.out))
    if options.ravdess:
        rows = joined(rows, stored(options.out / "sentence-rows.pt", lambda: sentence_rows(options.ravdess)))
    names = NAMES if options.ravdess else READ
    model = fit(rows, names)
    calibrate(model)
    metrics = validation_scores(model, rows)
    print("\n".join(f"{metric.name} {metric.value:.4f} ({metric.protocol})" for metric in metrics))
    if options.ravdess:
        model.timbre = VggishLite()
        load_network(model.timbre, options.folder / "vggish_lite.safetensors")
    publish(model, metrics, names, options.ravdess is not None, options.folder)


if __name__ == "__main__":
    main()
