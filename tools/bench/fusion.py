"""Compare gru_lite with each of its streams: `python -m tools.bench.fusion FERPLUS RAVDESS BURSTS CACHE [--write]`.

Sequences are composed of FER+ test faces and of voices that were not trained on: acted sentences (RAVDESS) and vocal
bursts of unseen persons; with `--research` sentences of the test speakers.
Both streams are present and each segment has another face and voice (tools/train/sequences.py): of one class, of any
two classes, or a neutral face that speaks. Three predictions are made: of both streams, of the face alone, of the voice
alone. Scores cover the steps at which both are present. Intervals are the 2.5th and 97.5th
percentiles over draws of the sequences with replacement, the same draws for all predictions, so that differences are
paired.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avfer.models.affect.lite import GruLite
from avfer.models.card import Metric
from avfer.models.card_files import BUILTIN
from avfer.models.weights import EMBEDDED, load_into, locate
from tools.train.cards import add_metrics
from tools.train.features import Faces, Voice, burst_voices, face_features, pauses, sentence_voices
from tools.train.sequences import Composer, Sequences

MODES = ("pair", "clash", "talk")  # of tools.train.sequences, those with a face and a voice
COUNT, LENGTH = 600, 128  # sequences, and their steps
SEED = 100  # of the sequences; training takes small seeds
DRAWS = 2000


def ccc_of_sums(sums: np.ndarray) -> np.ndarray:
    """Return Lin's concordance correlation coefficient.

    sums: (..., 6) of N values: N and the sums of p, t, p p, t t and p t for predictions p and targets t -> (...).
    """
    count, p, t, pp, tt, pt = np.moveaxis(sums, -1, 0)
    mean_p, mean_t = p / count, t / count
    covariance = pt / count - mean_p * mean_t
    return 2 * covariance / (pp / count - mean_p**2 + tt / count - mean_t**2 + (mean_p - mean_t) ** 2)


def sums_of(prediction: Tensor, target: Tensor, used: Tensor) -> np.ndarray:
    """Return the sums for `ccc_of_sums`, of each sequence: (B, T), (B, T), (B, T) bool -> (B, 6) float64."""
    p, t = (torch.where(used, values, 0.0).double() for values in (prediction, target))
    return torch.stack([used.double().sum(1), *(x.sum(1) for x in (p, t, p * p, t * t, p * t))], 1).numpy()


@torch.inference_mode()
def predict(model: GruLite, batch: Sequences) -> dict[str, tuple[Tensor, Tensor]]:
    """Return arousal, (B, T), and the most probable expression, (B, T), of both streams and of each alone."""
    absent, face = torch.zeros_like(batch.has_face), batch.face[..., : model.face.in_features]  # measures come last
    given = {
        "both": (face, batch.voice, batch.has_face, batch.has_voice),
        "face": (face, torch.zeros_like(batch.voice), batch.has_face, absent),
        "voice": (torch.zeros_like(face), batch.voice, absent, batch.has_voice),
    }
    found = dict[str, tuple[Tensor, Tensor]]()
    for name, streams in given.items():
        out = model.sequence(*streams)
        assert out.valence_arousal is not None and out.expression_logits is not None, "gru_lite has both heads"
        found[name] = out.valence_arousal[..., 1], out.expression_logits.argmax(-1)
    return found


def joined(batches: list[Sequences]) -> Sequences:
    """Return several batches of sequences of one length as one."""
    return Sequences(*(torch.cat([getattr(one, name) for one in batches]) for name in vars(batches[0])))


def compose(faces: Faces, voices: list[Voice], noises: list[Voice], own_affect: bool) -> Sequences:
    """Return COUNT sequences of random faces and voices, the same in each call.

    own_affect: arousal of a voice is what voice_lite reads, instead of that of its category or acted emotion; it then
    counts, and mouths move, in the pauses of a voice too.
    """
    torch.manual_seed(SEED)
    composer = Composer(faces, voices, noises, SEED, own_affect)
    return joined([composer.draw(COUNT // len(MODES), LENGTH, mode) for mode in MODES])


def compare_streams(model: GruLite, batch: Sequences, voices: str, target: str) -> list[Metric]:
    """Print and return scores of both streams, and the differences to each alone, with intervals.

    voices: who speaks, for the names; target: of what arousal is the mean, for the protocol.
    """
    used = batch.has_face & batch.has_voice
    draws = np.random.default_rng(0).integers(COUNT, size=(DRAWS, COUNT))
    outputs, found = predict(model, batch), list[Metric]()

    def add(name: str, scores: np.ndarray, of: str) -> None:
        """Add a score: that of all sequences, which comes first, and those of the draws give the interval."""
        low, high = np.percentile(scores[1:], [2.5, 97.5])
        protocol = f"{COUNT} composed sequences of FER+ test faces and {voices}, not trained on{of}"
        print(f"{name}, {protocol}: {scores[0]:+.3f} ({low:+.3f} to {high:+.3f})", flush=True)
        interval = f"95 % interval {low:.3f} to {high:.3f}"
        found.append(Metric(name=name, value=round(float(scores[0]), 4), protocol=f"{protocol}; {interval}"))

    def drawn(sums: np.ndarray) -> np.ndarray:
        """Return the sums of all sequences, then those of each draw: (B, D) -> (1 + DRAWS, D)."""
        return np.concatenate([sums.sum(0)[None], sums[draws].sum(1)])

    arousal = batch.valence_arousal[..., 1]
    scores = {name: ccc_of_sums(drawn(sums_of(out[0], arousal, used))) for name, out in outputs.items()}
    of = f", against the mean arousal of {target}"
    add("ccc arousal of sequences, face and voice", scores["both"], of)
    for other in ("face", "voice"):
        add(f"ccc arousal of sequences, both minus {other} alone", scores["both"] - scores[other], of)
    label = batch.expression.argmax(-1)
    right = {
        name: torch.stack([((out[1] == label) & used).double().sum(1), used.double().sum(1)], 1).numpy()
        for name, out in outputs.items()
    }
    shares = {name: (sums := drawn(counts))[:, 0] / sums[:, 1] for name, counts in right.items()}
    add("accuracy of expression in sequences, face and voice", shares["both"], "")
    add("accuracy of expression in sequences, both minus face alone", shares["both"] - shares["face"], "")
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ferplus", type=Path)
    parser.add_argument("ravdess", type=Path)
    parser.add_argument("bursts", type=Path)
    parser.add_argument("cache", type=Path, help="folder for the features")
    parser.add_argument("--folder", type=Path, default=BUILTIN, help="folder of the weights")
    parser.add_argument("--research", action="store_true", help="measure the weights for research")
    parser.add_argument("--write", action="store_true", help="add the results to the card of gru_lite")
    options = parser.parse_args()
    torch.set_num_threads(1)
    path, voice = (
        options.folder / f"{EMBEDDED['research' if options.research else 'builtin'].format(name=name)}.safetensors"
        for name in ("gru_lite", "voice_lite")
    )
    card = locate("gru_lite", str(path))[1]
    model = GruLite(**card.options)
    load_into(model, path, card)
    model.eval()
    faces = face_features(options.ferplus, options.folder, "test", options.cache)
    noises = pauses(voice, 24, SEED)
    splits = ("test",) if options.research else ("valid", "test")
    sentences = [one for split in splits for one in sentence_voices(options.ravdess, voice, split, options.cache)]
    people = f"acted sentences of speakers {'19-22' if options.research else '15-22'}"
    metrics = compare_streams(
        model, compose(faces, sentences, noises, False), people, "the votes and of the acted emotion"
    )
    if not options.research:
        bursts = burst_voices(options.bursts, voice, "valid", options.cache)
        for own_affect, target in (
            (True, "the votes and of what voice_lite reads"),
            (False, "the votes and of the category"),
        ):
            metrics += compare_streams(
                model, compose(faces, bursts, noises, own_affect), "vocal bursts of 10 persons", target
            )
    if options.write:
        add_metrics(path.with_suffix(".json"), metrics)


if __name__ == "__main__":
    main()
