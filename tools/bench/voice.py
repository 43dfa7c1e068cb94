"""Measure arousal from the voice alone: `python -m tools.bench.voice RAVDESS BURSTS CACHE [--clips CLIPS] [--write]`.

voice_lite and gru_lite of the package read whole recordings of acted sentences, each by itself, and vocal bursts of
persons that were not trained on. The arousal of a recording is its mean over the moments of speech. Intervals are the
2.5th and 97.5th percentiles over 1,000 draws of the speakers with replacement. CLIPS is a folder with sentences
that are spoken without acting (grid_*.mpg), which the pipelines `voice` and `aver` read. `--write` adds the results to
the card of gru_lite.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from avfer.models.affect.lite import GruLite
from avfer.models.card import Metric
from avfer.models.card_files import BUILTIN
from avfer.models.weights import EMBEDDED, load_into, locate
from avfer.pipeline import load
from avfer.signal.voice_frames import voice_frames
from tools.train.cards import add_metrics
from tools.train.features import Voice, burst_voices, load_voice, sentence_label, sentence_voices, voice_rows
from tools.train.ravdess import load_utterances
from tools.train.score_fusion import HIGH, LOW, predict_voice
from tools.train.sound_changes import add_noise, add_room, encode

DRAWS = 1000
PAIRS = "arousal of anger above sadness, share of pairs"
RANKED = "auc arousal of anger, fear, happiness above calm, sadness, neutral"


def read_arousal(model: GruLite, voices: list[Voice]) -> np.ndarray:
    """Return the mean arousal of each voice while it speaks: (N,) in [-1, 1]."""
    return np.array([predict_voice(model, voice)[0].mean().item() for voice in voices])


def interval(name: str, protocol: str, score: Callable[[np.ndarray], float], speakers: np.ndarray) -> Metric:
    """Print a score and return it, with its 95 % interval in the protocol.

    score: of a selection of voices, (M,) indices; speakers: (N,) of all voices.
    """
    random, names = np.random.default_rng(0), np.unique(speakers)
    members = [np.flatnonzero(speakers == one) for one in names]
    draws = [
        score(np.concatenate([members[i] for i in random.integers(len(names), size=len(names))])) for _ in range(DRAWS)
    ]
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    value = score(np.arange(len(speakers)))
    print(f"{name}, {protocol}: {value:.3f} ({low:.3f} to {high:.3f})", flush=True)
    return Metric(name=name, value=round(value, 4), protocol=f"{protocol}; 95 % interval {low:.3f} to {high:.3f}")


def area(levels: np.ndarray, names: np.ndarray) -> Callable[[np.ndarray], float]:
    """Return a function of a selection of voices: the area under the curve of high against low arousal."""
    high, low = np.isin(names, list(HIGH)), np.isin(names, list(LOW))

    def score(chosen: np.ndarray) -> float:
        kept = chosen[high[chosen] | low[chosen]]
        return float(roc_auc_score(high[kept], levels[kept]))

    return score


def pairs_above(levels: np.ndarray, names: np.ndarray, group: np.ndarray) -> Callable[[np.ndarray], float]:
    """Return a function of a selection of voices: how often anger is above sadness, over pairs of one group."""
    rows = {
        key: (
            np.flatnonzero((group == key) & (names == "anger")),
            np.flatnonzero((group == key) & (names == "sadness")),
        )
        for key in np.unique(group)
    }
    above = {key: (levels[anger][:, None] > levels[sad]).ravel() for key, (anger, sad) in rows.items()}

    def score(chosen: np.ndarray) -> float:
        keys, counts = np.unique(group[chosen], return_counts=True)
        sizes = {key: int((group == key).sum()) for key in keys}
        shares = np.concatenate([np.tile(above[k], round(c / sizes[k])) for k, c in zip(keys, counts, strict=True)])
        return float(shares.mean())

    return score


def measure_sentences(model: GruLite, voices: list[Voice], people: str) -> list[Metric]:
    """Return the scores of acted sentences.   people: who speaks"""
    labels = [voice.label for voice in voices if voice.label]
    levels, names = read_arousal(model, voices), np.array([label.name for label in labels])
    speakers = np.array([label.speaker for label in labels])
    group = np.array([f"{label.speaker} {label.sentence}" for label in labels])
    strength = np.array([f"{label.speaker} {label.sentence} {label.strong}" for label in labels])
    protocol = f"RAVDESS speech, {people}, each sentence by itself, mean while speaking"
    means = ", ".join(f"{name} {levels[names == name].mean():+.2f}" for name in sorted(set(names.tolist())))
    print(f"mean arousal, {protocol}: {means}")
    return [
        interval(PAIRS, f"{protocol}, same speaker and text", pairs_above(levels, names, group), speakers),
        interval(
            PAIRS, f"{protocol}, same speaker, text and intensity", pairs_above(levels, names, strength), speakers
        ),
        interval(RANKED, protocol, area(levels, names), speakers),
    ]


def measure_changes(model: GruLite, root: Path, weights: Path) -> None:
    """Print how well the arousal of sentences of four speakers is ranked after changes of the sound."""
    network, utterances = load_voice(weights)[0], load_utterances(root, "test")
    labels = [sentence_label(utterance) for utterance in utterances]
    names, speakers = (np.array([getattr(label, key) for label in labels]) for key in ("name", "speaker"))
    random = np.random.default_rng(0)
    changes: dict[str, Callable[[Tensor], Tensor]] = {
        "as they are": lambda wave: wave,
        "12 dB louder": lambda wave: 4 * wave,
        "12 dB quieter": lambda wave: wave / 4,
        "8 kHz, A-law": lambda wave: encode(4 * wave, "a-law", 64_000),
        "Opus, 8 kbit/s": lambda wave: encode(wave, "opus", 8_000),
        "a room": lambda wave: add_room(wave, random),
        "noise 15 dB below": lambda wave: add_noise(wave, random, 15.0),
    }
    for title, change in changes.items():
        rows = [voice_rows(network, voice_frames(change(utterance.wave))) for utterance in utterances]
        voices = [Voice(*row, label) for row, label in zip(rows, labels, strict=True)]
        levels = read_arousal(model, voices)
        interval(
            RANKED, f"RAVDESS speech, speakers 19-22, {title}, mean {levels.mean():+.2f}", area(levels, names), speakers
        )


def measure_clips(folder: Path) -> None:
    """Print what the pipeline `voice` gives for sentences that are spoken without acting."""
    pipeline = load("voice")
    for path in sorted(folder.glob("grid_*.mpg")):
        table = pipeline.run(path).to_table().to_pandas()
        arousal, expressions = table["arousal"].dropna(), table["expression"].notna().sum()
        share = (arousal.abs() <= 0.2).mean()
        text = (
            f"arousal {arousal.mean():+.2f} on average, within 0.2 of 0 in {100 * share:.0f} % of {len(arousal)} rows"
        )
        print(
            f"{path.name}: {text}; {expressions} expressions; mean valence {table['valence'].mean():+.2f}", flush=True
        )


def measure_faces(folder: Path) -> None:
    """Print what the pipeline `aver` gives for the same sentences, with their faces."""
    pipeline, parts = load("aver"), list[pd.DataFrame]()
    for path in sorted(folder.glob("grid_*.mpg")):
        table = pipeline.run(path).to_pandas()
        parts.append(table[table["has_face"]].assign(said=table["speaking"].fillna(0).astype(float) >= 0.5, clip=path))
    rows = pd.concat(parts)
    neutral, near = (rows["expression"] == "neutral").mean(), (rows["valence"].abs() <= 0.2).mean()
    means = rows.astype({"arousal": float}).groupby(["clip", "said"])["arousal"].mean().unstack()
    rise = means[True] - means[False]
    print(f"aver, {len(rows)} rows with a face: neutral in {100 * neutral:.1f} %, valence within 0.2 of 0 in", end=" ")
    print(f"{100 * near:.1f} %; arousal while speaking minus quiet {rise.mean():+.3f} ({rise.min():+.3f} to", end=" ")
    print(f"{rise.max():+.3f} by clip)", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ravdess", type=Path)
    parser.add_argument("bursts", type=Path)
    parser.add_argument("cache", type=Path, help="folder for the features")
    parser.add_argument("--clips", type=Path, help="folder with grid_*.mpg")
    parser.add_argument("--folder", type=Path, default=BUILTIN, help="folder of the weights")
    parser.add_argument("--research", action="store_true", help="measure the weights for research")
    parser.add_argument("--changes", action="store_true", help="measure changed sounds too: gain, codecs, room, noise")
    parser.add_argument("--write", action="store_true", help="add the results to the card of gru_lite")
    options = parser.parse_args()
    torch.set_num_threads(1)
    weights = "research" if options.research else "builtin"
    path, card = locate("gru_lite", str(options.folder / f"{EMBEDDED[weights].format(name='gru_lite')}.safetensors"))
    model = GruLite(**card.options)
    load_into(model, path, card)
    model.eval()
    voice = options.folder / f"{EMBEDDED[weights].format(name='voice_lite')}.safetensors"
    splits = {
        split: sentence_voices(options.ravdess, voice, split, options.cache) for split in ("train", "valid", "test")
    }
    metrics = measure_sentences(model, splits["test"], "speakers 19-22")
    if not options.research:
        metrics += measure_sentences(model, [v for voices in splits.values() for v in voices], "all 22 speakers")
    bursts = burst_voices(options.bursts, voice, "valid", options.cache)
    levels, labels = read_arousal(model, bursts), [burst.label for burst in bursts if burst.label]
    names, people = (np.array([getattr(label, key) for label in labels]) for key in ("name", "speaker"))
    protocol = f"{len(labels)} vocal bursts of 10 persons that were not trained on"
    metrics.append(interval("auc arousal of high above low categories", protocol, area(levels, names), people))
    if options.write:
        add_metrics(path.with_suffix(".json"), metrics)
    if options.changes:
        measure_changes(model, options.ravdess, voice)
    if options.clips:
        measure_clips(options.clips)
        measure_faces(options.clips)


if __name__ == "__main__":
    main()
