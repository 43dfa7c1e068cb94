"""Train identity_lite on aligned faces with numbered persons: `python -m tools.train.identity FACES.npz OUT`.

Metric learning with an additive cosine margin (CosFace, Wang et al., CVPR 2018, arXiv 1801.09414): every training
person is a class, persons with one picture included. A fifth of the persons with several pictures is held out; the
averaged network that separates their pairs best is kept. An interrupted run continues from OUT/last.pt. `--export`
scores OUT/best.pt on the held-out persons and writes weights and card.
"""

import argparse
import io
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from avfer.atomic import atomic_rename
from avfer.models.backbones.identity_lite import SIDE, IdentityLite
from avfer.models.card import Card, Metric
from avfer.models.card_files import BUILTIN
from avfer.models.weights import save
from avfer.signal.geometry import ARCFACE, inverse, similarity, warp

ZOOM = 0.82  # of the ArcFace template about its centre, so that the crop shows hair and chin
TEMPLATE = tuple((0.5 + ZOOM * (x - 0.5), 0.52 + ZOOM * (y - 0.5)) for x, y in ARCFACE)
MARGIN = 12  # px around a crop that augmentation may move into view
POINTS = (468, 473, 4, 61, 291)  # of the 478 landmarks: eyes, nose, mouth corners, the one further left first
SCALE, COSINE_MARGIN = 24.0, 0.25
SHARE = 2  # one in so many persons with a single picture takes part in an epoch
HELD_OUT = 5  # one in so many persons with several pictures is held out


@dataclass(frozen=True)
class People:
    """Aligned grey faces with the number of their person."""

    faces: Tensor  # (N, 88, 88) uint8, crops with MARGIN pixels on every side
    persons: Tensor  # (N,) int64


def load_people(path: Path, cache: Path) -> tuple[People, People]:
    """Return the training and the held-out faces of faces.npz; no person is in both. `cache` keeps the crops."""
    with np.load(path) as arrays:
        persons = arrays["person"].astype(np.int64)
        if not cache.exists():
            columns = (arrays[name] for name in ("jpg", "offset", "landmarks", "landmark_index"))
            with atomic_rename(cache) as part:
                np.save(part, _aligned(*columns))
    faces = np.load(cache)
    numbers, counts = np.unique(persons, return_counts=True)
    held = numbers[counts > 1][::HELD_OUT]
    out = np.isin(persons, held)
    return tuple(People(torch.from_numpy(faces[rows]), torch.from_numpy(persons[rows])) for rows in (~out, out))  # pyright: ignore


def _aligned(jpg: np.ndarray, offset: np.ndarray, landmarks: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return the crops with their margin: (N, 88, 88) uint8."""
    columns = [int(np.flatnonzero(index == point)[0]) for point in POINTS]
    side = SIDE + 2 * MARGIN
    target = np.array(TEMPLATE) * SIDE + MARGIN
    crops = np.empty((len(offset) - 1, side, side), np.uint8)
    for i in range(len(crops)):
        picture = Image.open(io.BytesIO(jpg[offset[i] : offset[i + 1]].tobytes())).convert("RGB")
        pixels = torch.from_numpy(np.array(picture))
        points = landmarks[i, columns].astype(np.float64) * [picture.width, picture.height]
        crop = warp(pixels, inverse(similarity(points[None], target))[0], side).float()
        crops[i] = (crop @ torch.tensor([0.299, 0.587, 0.114])).round().numpy()
    return crops


def to_crops(faces: Tensor) -> Tensor:
    """Cut the margin off and normalise as the card says: (N, 88, 88) uint8 -> (N, 3, 64, 64) float32."""
    inner = faces[:, MARGIN:-MARGIN, MARGIN:-MARGIN].float() / 255
    return ((inner - 0.5) / 0.25)[:, None].expand(-1, 3, -1, -1)


def augment(faces: Tensor) -> Tensor:
    """Return normalised faces, randomly distorted: (N, 88, 88) uint8 -> (N, 3, 64, 64) float32.

    Each is flipped, rotated, scaled, shifted, made coarse or blurred, lit from one side, changed in gamma, given noise,
    and a rectangle of it is erased.
    """
    n, side = len(faces), SIDE + 2 * MARGIN

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(n) * (high - low) + low

    angle, size = uniform(-0.12, 0.12), SIDE / side * torch.exp(uniform(-0.12, 0.12))
    flip = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    rows = [flip * size * angle.cos(), -size * angle.sin(), uniform(-0.06, 0.06)]
    rows += [flip * size * angle.sin(), size * angle.cos(), uniform(-0.06, 0.06)]
    grid = F.affine_grid(torch.stack(rows, 1).reshape(n, 2, 3), [n, 1, SIDE, SIDE], align_corners=False)
    x = F.grid_sample(faces.float()[:, None] / 255, grid, padding_mode="border", align_corners=False)
    coarse = int(np.random.choice([20, 26, 34, 44]))
    low = F.interpolate(F.interpolate(x, (coarse, coarse), mode="area"), (SIDE, SIDE), mode="bilinear")
    x = torch.where((torch.rand(n) < 0.4).view(-1, 1, 1, 1), low, x)
    ramp = torch.linspace(-1, 1, SIDE)
    light = uniform(-0.35, 0.35).view(-1, 1, 1, 1) * ramp + uniform(-0.25, 0.25).view(-1, 1, 1, 1) * ramp[:, None]
    x = (x * torch.exp(light)).clamp(1e-3, 1) ** torch.exp(uniform(-0.5, 0.5)).view(-1, 1, 1, 1)
    x = x + torch.randn_like(x) * uniform(0, 0.05).view(-1, 1, 1, 1)
    at = torch.arange(SIDE)
    top, left, tall, wide = (uniform(a, b).view(-1, 1, 1) for a, b in ((-10, 60), (-10, 60), (0, 26), (0, 26)))
    hole = (at[:, None] > top) & (at[:, None] < top + tall) & (at > left) & (at < left + wide)
    x = torch.where((hole & (torch.rand(n) < 0.5).view(-1, 1, 1))[:, None], torch.rand(n, 1, 1, 1), x)
    return ((x - 0.5) / 0.25).expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def pair_scores(model: torch.nn.Module, people: People) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosines of all pairs of faces, and whether a pair shows one person: (P,) float, (P,) bool."""
    model.eval()
    features = torch.cat([model(to_crops(part)) for part in people.faces.split(128)])
    first, second = np.triu_indices(len(features), 1)
    persons = people.persons.numpy()
    return (features @ features.T).numpy()[first, second], persons[first] == persons[second]


def separation(cosines: np.ndarray, same: np.ndarray) -> list[Metric]:
    """Return the equal error rate, and the share of same pairs found where 1 % of the other pairs pass."""
    protocol = f"faces.npz, {int(same.sum())} pairs of one person, {int((~same).sum())} of two, persons held out"
    levels = np.quantile(cosines[~same], np.linspace(0, 1, 2001))
    false = np.array([(cosines[~same] >= level).mean() for level in levels])
    missed = np.array([(cosines[same] < level).mean() for level in levels])
    equal = int(np.abs(false - missed).argmin())
    one = float(np.quantile(cosines[~same], 0.99))
    found = float((cosines[same] >= one).mean())
    return [
        Metric(name="equal error rate", value=round(float(missed[equal]), 4), protocol=protocol),
        Metric(name="found at 1 % false", value=round(found, 4), protocol=f"{protocol}; cosine {one:.3f}"),
    ]


def train(data: Path, out: Path, epochs: int, batch: int, rate: float, threads: int) -> None:
    """Train and write the averaged network with the lowest equal error rate to `out`/best.pt."""
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    people, held_out = load_people(data, out / "crops.npy")
    numbers, labels = torch.unique(people.persons, return_inverse=True)
    model = IdentityLite().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    classes = torch.nn.Parameter(torch.randn(len(numbers), model.num_features) * 0.05)
    mean_model = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.995), use_buffers=True)
    matrices = [*(p for p in model.parameters() if p.ndim > 1), classes]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": 5e-4}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=rate, momentum=0.9, nesterov=True)
    several = torch.bincount(labels)[labels] > 1
    steps, first, best = int(several.sum() + (~several).sum() // SHARE) // batch, 0, 1.0
    checkpoint = out / "last.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        mean_model.load_state_dict(saved["mean_model"])
        optimizer.load_state_dict(saved["optimizer"])
        classes.data.copy_(saved["classes"])
        first, best = saved["epoch"] + 1, saved["best"]

    for epoch in range(first, epochs):
        started, total = time.time(), 0.0
        torch.manual_seed(epoch)
        np.random.seed(epoch)
        turn = several | (torch.arange(len(labels)) % SHARE == epoch % SHARE)
        order = torch.from_numpy(np.random.default_rng(epoch).permutation(np.flatnonzero(turn.numpy())))
        margin = COSINE_MARGIN * min(1.0, 2 * epoch / epochs)
        model.train()
        for step in range(steps):
            done = (epoch + step / steps) / epochs
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1.0, done * epochs / 2) * 0.5 * (1 + math.cos(math.pi * done))
            rows = order[step * batch : (step + 1) * batch]
            with torch.autocast("cpu", torch.bfloat16):
                features = model(augment(people.faces[rows]))
            cosines = features.float() @ F.normalize(classes, dim=1).T
            logits = SCALE * (cosines - margin * F.one_hot(labels[rows], len(numbers)))
            loss = F.cross_entropy(logits, labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            mean_model.update_parameters(model)
            total += loss.item()
        metrics = separation(*pair_scores(mean_model, held_out))
        figures = ", ".join(f"{metric.name} {metric.value:.4f}" for metric in metrics)
        print(f"{epoch=} loss {total / steps:.4f} {figures} {time.time() - started:.0f} s", flush=True)
        if metrics[0].value <= best:
            best = metrics[0].value
            torch.save(mean_model.module.state_dict(), out / "best.pt")
        state = {"model": model.state_dict(), "mean_model": mean_model.state_dict(), "classes": classes.data}
        state |= {"optimizer": optimizer.state_dict(), "epoch": epoch, "best": best}
        torch.save(state, out / "next.pt")
        (out / "next.pt").replace(checkpoint)


def export(data: Path, out: Path, folder: Path) -> None:
    """Score the best network of a run on the held-out persons and write weights and card to `folder`."""
    people, held_out = load_people(data, out / "crops.npy")
    model = IdentityLite()
    model.load_state_dict(torch.load(out / "best.pt", weights_only=True))
    model.half().float()  # rounded to half precision, as it will be stored
    card = Card(
        name="identity_lite",
        task="identity of a face, to recognise a person again within a clip",
        description=(
            "Small residual network for grey-scale faces of 64x64 px, trained from scratch with a cosine margin. It"
            " separates the persons of one clip; it is too weak to identify people across recordings. Faces must be"
            " aligned to the template, as the stage identify_persons does."
        ),
        features=model.num_features,
        size=SIDE,
        mean=[0.5] * 3,
        std=[0.25] * 3,
        template=[(round(x, 4), round(y, 4)) for x, y in TEMPLATE],
        layout="specific to avfer",
        data=(
            f"{len(people.faces):,} faces of {len(torch.unique(people.persons)):,} persons: news photographs in the"
            " style of LFW and portraits of members of a legislature"
        ),
        licence_weights=(
            "Apache-2.0 (trained on news photographs whose rights are not stated; the pictures are not shipped)"
        ),
        sources=[
            "He et al., Deep Residual Learning for Image Recognition, CVPR 2016",
            "Wang et al., CosFace, CVPR 2018, arXiv 1801.09414",
        ],
        metrics=separation(*pair_scores(model.eval(), held_out)),
    )
    path = save(model, card, folder / f"{card.name}.safetensors", half=True)
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, {sum(p.numel() for p in model.parameters()):,} parameters")
    for metric in card.metrics:
        print(f"{metric.value:.4f}  {metric.name}  ({metric.protocol})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="faces.npz with jpg, offset, person, landmarks, landmark_index")
    parser.add_argument("out", type=Path, help="folder of the run")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--export", action="store_true", help="write the best network to FOLDER")
    parser.add_argument("--folder", type=Path, default=BUILTIN, help="folder for the weights")
    options = parser.parse_args()
    if options.export:
        export(options.data, options.out, options.folder)
    else:
        train(options.data, options.out, options.epochs, options.batch, options.rate, options.threads)
