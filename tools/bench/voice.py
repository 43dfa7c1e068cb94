"""Measure arousal from the voice alone: `python -m tools.bench.voice RAVDESS BURSTS CACHE [--clips CLIPS]`.

voice_lite and gru_lite of the package read whole recordings of acted sentences, each by itself, and vocal bursts of
persons that were not trained on. The arousal of a recording is its mean over the moments of speech. Intervals are the
2.5th and 97.5th percentiles over 1,000 draws of the speakers with replacement. CLIPS is a folder with spoken sentences
that nobody acted (grid_*.mpg), which the pipeline `voice` reads.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from avfer.models.affect.lite import GruLite
from avfer.models.weights import load_into, locate
from avfer.pipeline import load
from tools.train.features import Voice, burst_voices, sentence_voices
from tools.train.score_fusion import HIGH, LOW, predict_voice

DRAWS = 1000


def read_arousal(model: GruLite, voices: list[Voice]) -> np.ndarray:
    """Return the mean arousal of each voice while it speaks: (N,) in [-1, 1]."""
    return np.array([predict_voice(model, voice)[0].mean().item() for voice in voices])


def interval(score: Callable[[np.ndarray], float], speakers: np.ndarray) -> str:
    """Return a score and its 95 % interval as text.

    score: of a selection of voices, (M,) indices; speakers: (N,) of all voices.
    """
    random, names = np.random.default_rng(0), np.unique(speakers)
    members = [np.flatnonzero(speakers == name) for name in names]
    draws = [
        score(np.concatenate([members[i] for i in random.integers(len(names), size=len(names))])) for _ in range(DRAWS)
    ]
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return f"{score(np.arange(len(speakers))):.3f} ({low:.3f} to {high:.3f})"


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


def measure_sentences(model: GruLite, voices: list[Voice], title: str) -> None:
    """Print the scores of acted sentences."""
    labels = [voice.label for voice in voices if voice.label]
    levels, names = read_arousal(model, voices), np.array([label.name for label in labels])
    speakers = np.array([label.speaker for label in labels])
    group = np.array([f"{label.speaker} {label.sentence}" for label in labels])
    pairs = interval(pairs_above(levels, names, group), speakers)
    print(f"{title}: anger above sadness, pairs of one speaker and sentence: {pairs}")
    ranked = interval(area(levels, names), speakers)
    print(f"{title}: AUC of anger, fear, happiness above calm, sadness, neutral: {ranked}")
    means = ", ".join(f"{name} {levels[names == name].mean():+.2f}" for name in sorted(set(names.tolist())))
    print(f"{title}: mean arousal: {means}", flush=True)


def measure_clips(folder: Path) -> None:
    """Print what the pipeline `voice` gives for sentences that nobody acted."""
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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ravdess", type=Path)
    parser.add_argument("bursts", type=Path)
    parser.add_argument("cache", type=Path, help="folder for the features")
    parser.add_argument("--clips", type=Path, help="folder with grid_*.mpg")
    parser.add_argument("--research", action="store_true", help="measure the weights for research")
    options = parser.parse_args()
    torch.set_num_threads(1)
    weights = "research" if options.research else "builtin"
    path, card = locate("gru_lite", weights)
    model = GruLite(**card.options)
    load_into(model, path, card)
    model.eval()
    voice = locate("voice_lite", weights)[0]
    splits = {
        split: sentence_voices(options.ravdess, voice, split, options.cache) for split in ("train", "valid", "test")
    }
    measure_sentences(model, splits["test"], "RAVDESS, speakers 19-22")
    if not options.research:
        measure_sentences(model, [v for voices in splits.values() for v in voices], "RAVDESS, all 22 speakers")
    bursts = burst_voices(options.bursts, voice, "valid", options.cache)
    levels, labels = read_arousal(model, bursts), [burst.label for burst in bursts if burst.label]
    names, people = (np.array([getattr(label, key) for label in labels]) for key in ("name", "speaker"))
    print(f"vocal bursts of 10 unseen persons: AUC of high above low: {interval(area(levels, names), people)}")
    if options.clips:
        measure_clips(options.clips)


if __name__ == "__main__":
    main()
