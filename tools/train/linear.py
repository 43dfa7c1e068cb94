"""Train linear_lite (python -m tools.train.linear DATA OUT): heads on the frozen face features, FER+ alone.

No sound is touched. The expression head starts as the face network's own. Targets: the crowd's votes, and the
published mappings of `tools/train/mappings.py`.
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from avfer.models.affect.heads import AffectOutputs
from avfer.models.affect.linear import LinearLite
from avfer.models.card import Card, Metric
from avfer.models.tensor_files import read_tensors
from avfer.models.weights import save
from tools.train.features import Faces, face_features
from tools.train.ferplus import CLASSES
from tools.train.mappings import ACTION_UNITS, SOURCES, SUPERVISION, action_units, valence_arousal

NOISE = 0.1  # of the features, in their own spread


def targets(shares: Tensor) -> tuple[Tensor, Tensor]:
    """Shares of the classes (N, 8) -> valence and arousal (N, 2), action units (N, A)."""
    return torch.from_numpy(valence_arousal(shares.numpy())), torch.from_numpy(action_units(shares.numpy()))


def loss(out: AffectOutputs, shares: Tensor, pair: Tensor, units: Tensor) -> Tensor:
    """Cross-entropies of expressions and action units, and squared errors of valence and arousal."""
    told = torch.stack([out.valence, out.arousal], 1)
    return (
        F.cross_entropy(out.expression_logits, shares)
        + 4 * F.mse_loss(told, pair)
        + F.binary_cross_entropy_with_logits(out.action_unit_logits, units)
    )


def ccc(told: Tensor, truth: Tensor) -> float:
    """Lin's concordance of two series."""
    covariance = ((told - told.mean()) * (truth - truth.mean())).mean()
    spread = told.var(unbiased=False) + truth.var(unbiased=False) + (told.mean() - truth.mean()) ** 2
    return (2 * covariance / spread).item()


def scores(out: AffectOutputs, faces: Faces) -> dict[str, tuple[float, str]]:
    """Name -> value and protocol, of outputs for all faces of a split."""
    pair, units = targets(faces.shares)
    right = (out.expression_logits.argmax(1) == faces.label)[faces.certain]
    new = ~faces.in_train[faces.certain]
    called, truth = out.action_unit_logits > 0, units > 0.5
    hits = (called & truth).sum(0)
    f1 = (2 * hits / (called.sum(0) + truth.sum(0)).clamp(min=1))[truth.any(0)].mean()
    weak = f"{len(faces.label)} pictures, against the mapped votes, not against ratings"
    return {
        "accuracy": (right.float().mean().item(), f"majority label, {len(right)} pictures, 8 classes"),
        "accuracy without pictures of train": (right[new].float().mean().item(), f"{int(new.sum())} pictures"),
        "ccc valence": (ccc(out.valence, pair[:, 0]), weak),
        "ccc arousal": (ccc(out.arousal, pair[:, 1]), weak),
        "f1 action units": (f1.item(), f"mean of the units, {weak} (mapped share over 0.5)"),
    }


def metrics(told: dict[str, tuple[float, str]], prefix: str) -> list[Metric]:
    """Rounded, for the card."""
    return [Metric(name=n, value=round(v, 4), protocol=f"{prefix}, {p}") for n, (v, p) in told.items()]


@torch.inference_mode()
def read(model: LinearLite, values: Tensor) -> AffectOutputs:
    """Outputs for features (N, D)."""
    return model.eval().heads(values)


def train(data: Path, weights: Path, cache: Path, epochs: int, rate: float) -> LinearLite:
    torch.manual_seed(0)
    faces = face_features(data, weights, "train", cache)
    valid = face_features(data, weights, "valid", cache)
    pair, units = targets(faces.shares)
    spread = faces.values[0].std(0)
    model, own = LinearLite(), read_tensors(weights)
    model.heads.expression.load_state_dict({n: own[f"expression.{n}"].float() for n in ("weight", "bias")})
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    batch, best, kept = 512, 0.0, model.state_dict()
    steps = len(pair) // batch
    for epoch in range(epochs):
        order = torch.randperm(len(pair))
        model.train()
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = rate * (1 - (epoch + step / steps) / epochs)
            rows = order[step * batch : (step + 1) * batch]
            x = faces.values[torch.randint(len(faces.values), (batch,)), rows]
            out = model.heads(x + NOISE * spread * torch.randn_like(x))
            cost = loss(out, faces.shares[rows], pair[rows], units[rows])
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()
        told = scores(read(model, valid.values[0]), valid)
        score = sum(told[name][0] for name in ("accuracy", "ccc valence", "ccc arousal"))
        print(f"{epoch=} {' '.join(f'{name} {value:.4f}' for name, (value, _) in told.items())}", flush=True)
        if score > best:
            best, kept = score, {n: t.clone() for n, t in model.state_dict().items()}
    model.load_state_dict(kept)
    return model.half().float()  # measured as it will be stored


def publish(model: LinearLite, data: Path, weights: Path, cache: Path, folder: Path) -> None:
    """Score on the test split, write weights and card."""
    test = face_features(data, weights, "test", cache)
    told = scores(read(model, test.values[0]), test)
    print("\n".join(f"test {name} {value:.4f}" for name, (value, _) in told.items()))
    card = Card(
        name="linear_lite",
        trained_on={"face": "aver_lite"},
        task="valence, arousal, expression, action units",
        description=f"Linear heads on aver_lite, picture by picture, without any sound. {SUPERVISION}",
        inputs={"face": test.values.shape[2]},
        classes=list(CLASSES),
        action_units=list(ACTION_UNITS),
        data="FER2013 pictures with FER+ votes, training split; no voice data",
        licence_weights="Apache-2.0 (FER+ labels: MIT; the FER2013 pictures have no stated licence, are not shipped)",
        sources=SOURCES,
        metrics=metrics(told, "FER+ test split"),
    )
    print(save(model, card, folder / f"{card.name}.safetensors", half=True))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with train.npz, valid.npz, test.npz")
    parser.add_argument("out", type=Path, help="folder where features are kept")
    parser.add_argument("--face", type=Path, default=Path("avfer/builtin/aver_lite.safetensors"))
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("avfer/builtin"), help="where the weights go")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    heads = train(options.data, options.face, options.out, options.epochs, options.rate)
    publish(heads, options.data, options.face, options.out, options.folder)
