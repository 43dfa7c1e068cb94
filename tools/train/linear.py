"""Train linear_lite, heads on frozen face features, on FER+ only: `python -m tools.train.linear DATA OUT`.

The expression head is initialised with that of the face network. The targets are the crowd votes and, for valence,
arousal and action units, their published mappings in `tools/train/mappings.py`.
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from avfer.metrics import ccc
from avfer.models.affect.lite import LinearLite
from avfer.models.card import Card, Metric
from avfer.models.card_files import BUILTIN
from avfer.models.prediction import Prediction
from avfer.models.tensor_files import read_tensors
from avfer.models.weights import save
from tools.train.features import Faces, face_features
from tools.train.ferplus import CLASSES, LICENCE
from tools.train.mappings import ACTION_UNITS, SOURCES, SUPERVISION, action_units, valence_arousal

NOISE = 0.1  # added to the features, in units of their standard deviation
UNMEASURED = 0.15  # share of the faces, or sequences, whose measures are left out, so that the heads work without them


def targets(shares: Tensor) -> tuple[Tensor, Tensor]:
    """Map distributions over CLASSES, (N, 8), to valence and arousal, (N, 2), and action units, (N, A)."""
    return torch.from_numpy(valence_arousal(shares.numpy())), torch.from_numpy(action_units(shares.numpy()))


def loss(out: Prediction, shares: Tensor, target_va: Tensor, target_units: Tensor) -> Tensor:
    """Return the sum of the losses of expressions, valence and arousal (squared error), and action units: -> ().

    shares: (N, 8); target_va: (N, 2) valence and arousal; target_units: (N, A).
    """
    return (
        F.cross_entropy(out.expression_logits, shares)
        + 4 * F.mse_loss(out.valence_arousal, target_va)
        + F.binary_cross_entropy_with_logits(out.action_unit_logits, target_units)
    )


def scores(out: Prediction, faces: Faces) -> dict[str, tuple[float, str]]:
    """Return name -> (value, protocol) for predictions of all faces of a split."""
    target_va, target_units = targets(faces.shares)
    right = (out.expression_logits.argmax(1) == faces.label)[faces.has_majority]
    not_in_train = ~faces.in_train[faces.has_majority]
    predicted, occurs = out.action_unit_logits > 0, target_units > 0.5
    hits = (predicted & occurs).sum(0)
    f1 = (2 * hits / (predicted.sum(0) + occurs.sum(0)).clamp(min=1))[occurs.any(0)].mean()
    weak = f"{len(faces.label)} pictures, against the mapped votes, not against ratings"
    return {
        "accuracy": (right.float().mean().item(), f"majority label, {len(right)} pictures, 8 classes"),
        "accuracy without pictures that are also in train": (
            right[not_in_train].float().mean().item(),
            f"{int(not_in_train.sum())} pictures",
        ),
        "ccc valence": (ccc(out.valence_arousal[:, 0].numpy(), target_va[:, 0].numpy()), weak),
        "ccc arousal": (ccc(out.valence_arousal[:, 1].numpy(), target_va[:, 1].numpy()), weak),
        "f1 action units": (f1.item(), f"mean of the units, {weak} (mapped share over 0.5)"),
    }


def metrics(results: dict[str, tuple[float, str]], prefix: str) -> list[Metric]:
    """Return scores as metrics of a card; `prefix` is put before each protocol."""
    return [Metric(name=n, value=round(v, 4), protocol=f"{prefix}, {p}") for n, (v, p) in results.items()]


@torch.inference_mode()
def predict(model: LinearLite, values: Tensor) -> Prediction:
    """Return the predictions for features and measures, (N, D + M)."""
    return model.eval().heads(model.measured(values))


def train(data: Path, folder: Path, cache: Path, epochs: int, rate: float, seed: int) -> LinearLite:
    """Train the heads and return those with the best validation scores, rounded to half precision.

    data: folder of FER+; folder: of the weights; cache: folder of features; rate: initial learning rate.
    """
    torch.manual_seed(seed)
    faces = face_features(data, folder, "train", cache)
    valid = face_features(data, folder, "valid", cache)
    target_va, target_units = targets(faces.shares)
    spread = faces.values[0].std(0)
    model, own = LinearLite(num_measures=faces.measures.shape[1]), read_tensors(folder / "aver_lite.safetensors")
    model.measured.fit(faces.measures)
    with torch.no_grad():
        model.heads.expression.bias.copy_(own["expression.bias"])
        model.heads.expression.weight.zero_()[:, : spread.shape[0]] = own["expression.weight"].float()
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    batch, best, best_state = 512, 0.0, model.state_dict()
    steps = len(target_va) // batch
    for epoch in range(epochs):
        order = torch.randperm(len(target_va))
        model.train()
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = rate * (1 - (epoch + step / steps) / epochs)
            rows = order[step * batch : (step + 1) * batch]
            x = faces.values[torch.randint(len(faces.values), (batch,)), rows]
            x = x + NOISE * spread * torch.randn_like(x)
            measures = faces.measures[rows].masked_fill(torch.rand(batch, 1) < UNMEASURED, torch.nan)
            out = model.heads(model.measured(torch.cat([x, measures], 1)))
            cost = loss(out, faces.shares[rows], target_va[rows], target_units[rows])
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()
        results = scores(predict(model, valid.inputs), valid)
        score = sum(results[name][0] for name in ("accuracy", "ccc valence", "ccc arousal"))
        print(f"{epoch=} {' '.join(f'{name} {value:.4f}' for name, (value, _) in results.items())}", flush=True)
        if score > best:
            best, best_state = score, {n: t.clone() for n, t in model.state_dict().items()}
    model.load_state_dict(best_state)
    return model.half().float()  # rounded to half precision, as it will be stored


def publish(model: LinearLite, data: Path, cache: Path, folder: Path) -> None:
    """Score the heads on the test split and write weights and card to `folder`."""
    test = face_features(data, folder, "test", cache)
    results = scores(predict(model, test.inputs), test)
    print("\n".join(f"test {name} {value:.4f}" for name, (value, _) in results.items()))
    card = Card(
        name="linear_lite",
        options={"num_measures": model.measured.centre.shape[0]},
        trained_on={"face": "aver_lite", "measures": "face_lite"},
        task="valence, arousal, expression, action units",
        description=(
            "Linear heads on the aver_lite features and the measures of face_lite of single pictures; a face without"
            f" measures is read by its features alone; audio is not used. {SUPERVISION}"
        ),
        inputs={"face": test.values.shape[2], "measures": test.measures.shape[1]},
        classes=list(CLASSES),
        action_units=list(ACTION_UNITS),
        data="FER2013 pictures with FER+ votes, training split; no voice data",
        licence_weights=LICENCE,
        sources=SOURCES,
        metrics=metrics(results, "FER+ test split"),
    )
    print(save(model, card, folder / f"{card.name}.safetensors", half=True))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with train.npz, valid.npz, test.npz")
    parser.add_argument("out", type=Path, help="folder for the cached features")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=BUILTIN, help="folder of all weights")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    heads = train(options.data, options.folder, options.out, options.epochs, options.rate, options.seed)
    publish(heads, options.data, options.out, options.folder)
