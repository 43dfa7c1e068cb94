"""Train gru_lite (python -m tools.train.fusion FERPLUS RAVDESS OUT) on composed sequences of faces and voices.

What it learns from is in `tools/train/sequences.py`; the scores of the card in `tools/train/score_fusion.py`.
"""

import argparse
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from avfer.models.affect.gru import GruLite
from avfer.models.card import Card, Metric
from avfer.models.weights import save
from tools.train.features import face_features, pauses, voice_features
from tools.train.ferplus import CLASSES
from tools.train.mappings import ACTION_UNITS, SOURCES, SUPERVISION
from tools.train.score_fusion import score
from tools.train.sequences import Composer, Sequences

LENGTH = 128  # instants of a sequence


def loss(model: GruLite, some: Sequences) -> Tensor:
    """As for linear_lite, over the instants at which something is seen or heard; action units where a face is."""
    out = model.sequence(some.face, some.voice, some.has_face, some.has_voice)
    any_of, seen = some.has_face | some.has_voice, some.has_face
    told = torch.stack([out.valence, out.arousal], -1)
    return (
        F.cross_entropy(out.expression_logits[any_of], some.expression[any_of])
        + 4 * F.mse_loss(told[any_of], some.pair[any_of])
        + F.binary_cross_entropy_with_logits(out.action_unit_logits[seen], some.units[seen])
    )


def train(places: tuple[Path, Path, Path], weights: tuple[Path, Path], steps: int, batch: int, rate: float) -> GruLite:
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
    best, kept, total, started = float("inf"), model.state_dict(), 0.0, time.time()
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
                valid = sum(loss(model, some).item() for some in checks) / len(checks)
            print(f"{step=} loss {total / 100:.4f} valid {valid:.4f} {time.time() - started:.0f} s", flush=True)
            total = 0.0
            if valid < best and step > steps // 2:  # before, the rate is too high to settle
                best, kept = valid, {n: t.clone() for n, t in model.state_dict().items()}
    model.load_state_dict(kept)
    return model.half().float().eval()  # measured as it will be stored


def publish(model: GruLite, told: dict[str, tuple[float, str]], folder: Path) -> None:
    """Write weights and card."""
    print("\n".join(f"{name} {value:.4f} ({protocol})" for name, (value, protocol) in told.items()))
    card = Card(
        name="gru_lite",
        trained_on={"face": "aver_lite", "voice": "vggish_lite"},
        task="valence, arousal, expression, action units",
        description=(
            "A gated recurrent unit over aver_lite faces and vggish_lite voices. No labelled emotional video was at"
            " hand: it learned from sequences composed of FER+ faces and RAVDESS voices paired by class (calm joins"
            f" neutral; contempt has no voice). {SUPERVISION} A voice's targets are those of its acted emotion, its"
            " arousal scaled by the intensity asked of the actor (1.2 strong, 0.8 normal); with a face, valence and"
            " expression are the face's and arousal is half of each while somebody speaks."
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
            Metric(name=name, value=round(value, 4), protocol=protocol) for name, (value, protocol) in told.items()
        ],
    )
    print(save(model, card, folder / f"{card.name}.safetensors", half=True))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ferplus", type=Path, help="folder with train.npz, valid.npz, test.npz")
    parser.add_argument("ravdess", type=Path, help="folder with labels.csv and audio/")
    parser.add_argument("out", type=Path, help="folder where features are kept")
    parser.add_argument("--face", type=Path, default=Path("avfer/builtin/aver_lite.safetensors"))
    parser.add_argument("--voice", type=Path, default=Path("avfer/builtin/vggish_lite.safetensors"))
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("avfer/builtin"), help="where the weights go")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    places, weights = (options.ferplus, options.ravdess, options.out), (options.face, options.voice)
    network = train(places, weights, options.steps, options.batch, options.rate)
    publish(network, score(network, places, weights), options.folder)
