"""Train gru_lite on composed sequences of faces and voices: `python -m tools.train.fusion FERPLUS RAVDESS OUT`.

`tools/train/sequences.py` composes the sequences, `tools/train/score_fusion.py` computes the scores of the card.
"""

import argparse
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from avfer.models.affect.lite import GruLite
from avfer.models.card import Card, Metric
from avfer.models.weights import save
from tools.train.features import face_features, pauses, voice_features
from tools.train.ferplus import CLASSES
from tools.train.mappings import ACTION_UNITS, SOURCES, SUPERVISION
from tools.train.score_fusion import score
from tools.train.sequences import Composer, Sequences

LENGTH = 128  # steps of a sequence


def loss(model: GruLite, batch: Sequences) -> Tensor:
    """Return the loss of linear_lite over the steps with a face or voice, of action units with a face: -> ()."""
    out = model.sequence(batch.face, batch.voice, batch.has_face, batch.has_voice)
    present, has_face = batch.has_face | batch.has_voice, batch.has_face
    return (
        F.cross_entropy(out.expression_logits[present], batch.expression[present])
        + 4 * F.mse_loss(out.valence_arousal[present], batch.valence_arousal[present])
        + F.binary_cross_entropy_with_logits(out.action_unit_logits[has_face], batch.action_units[has_face])
    )


def train(places: tuple[Path, Path, Path], weights: tuple[Path, Path], steps: int, batch: int, rate: float) -> GruLite:
    """Train and return the network with the best validation loss, rounded to half precision.

    places: folders of FER+, RAVDESS and cached features; weights: files of aver_lite and vggish_lite; batch: sequences
    in a step; rate: highest learning rate.
    """
    torch.manual_seed(0)
    ferplus, ravdess, cache = places
    splits = {
        split: Composer(
            face_features(ferplus, weights[0], split, cache),
            voice_features(ravdess, weights[1], split, cache),
            pauses(weights[1], 24, seed),
            seed,
        )
        for seed, split in enumerate(("train", "valid"))
    }
    checks = [splits["valid"].draw(32, LENGTH) for _ in range(6)]
    model = GruLite()
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    best, best_state, total, started = float("inf"), model.state_dict(), 0.0, time.time()
    for step in range(1, steps + 1):
        model.train()
        cost = loss(model, splits["train"].draw(batch, LENGTH))
        optimizer.zero_grad()
        cost.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        total += cost.item()
        if step % 100 == 0:
            model.eval()
            with torch.inference_mode():
                valid = sum(loss(model, check).item() for check in checks) / len(checks)
            print(f"{step=} loss {total / 100:.4f} valid {valid:.4f} {time.time() - started:.0f} s", flush=True)
            total = 0.0
            if valid < best and step > steps // 2:  # earlier, the learning rate is too high
                best, best_state = valid, {n: t.clone() for n, t in model.state_dict().items()}
    model.load_state_dict(best_state)
    return model.half().float().eval()  # rounded to half precision, as it will be stored


def publish(model: GruLite, results: dict[str, tuple[float, str]], folder: Path) -> None:
    """Write weights and card to `folder`.   results: name -> (value, protocol)"""
    print("\n".join(f"{name} {value:.4f} ({protocol})" for name, (value, protocol) in results.items()))
    card = Card(
        name="gru_lite",
        trained_on={"face": "aver_lite", "voice": "vggish_lite"},
        task="valence, arousal, expression, action units",
        description=(
            "A gated recurrent unit over aver_lite face features and vggish_lite voice features. It was trained without"
            " labelled video, on sequences composed of FER+ faces and RAVDESS voices paired by class (calm counts as"
            f" neutral; contempt has no voice). {SUPERVISION} The targets of a voice are those of the acted emotion,"
            " with arousal scaled by the intensity of the performance (1.2 strong, 0.8 normal). Where face and voice"
            " are present, valence and expression follow the face, and arousal is the mean of both during speech."
        ),
        inputs={"face": model.num_face, "voice": model.num_voice},
        classes=list(CLASSES),
        action_units=list(ACTION_UNITS),
        data="FER2013 pictures with FER+ votes, training split; RAVDESS speech, speakers 1-14",
        licence_weights="CC BY-NC-SA 4.0 (trained on RAVDESS): non-commercial",
        sources=[
            *SOURCES,
            "Livingstone and Russo 2018, RAVDESS, doi:10.1371/journal.pone.0196391",
            "Cho et al. 2014, Learning Phrase Representations using RNN Encoder-Decoder, arXiv:1406.1078",
        ],
        metrics=[
            Metric(name=name, value=round(value, 4), protocol=protocol) for name, (value, protocol) in results.items()
        ],
    )
    print(save(model, card, folder / f"{card.name}.safetensors", half=True))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ferplus", type=Path, help="folder with train.npz, valid.npz, test.npz")
    parser.add_argument("ravdess", type=Path, help="folder with labels.csv and audio/")
    parser.add_argument("out", type=Path, help="folder for the cached features")
    parser.add_argument("--face", type=Path, default=Path("avfer/builtin/aver_lite.safetensors"))
    parser.add_argument("--voice", type=Path, default=Path("avfer/builtin/vggish_lite.safetensors"))
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("avfer/builtin"), help="folder for the weights")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    places, weights = (options.ferplus, options.ravdess, options.out), (options.face, options.voice)
    network = train(places, weights, options.steps, options.batch, options.rate)
    publish(network, score(network, places, weights), options.folder)
