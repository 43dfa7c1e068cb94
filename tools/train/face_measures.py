"""Train face_lite on the crops of tools.train.face_measures_data: `python -m tools.train.face_measures CROPS OUT`.

Each batch mixes larger photographs, FER+ faces and renders; `--hair` draws moustaches, beards and other lips on a
share of them. Losses are masked where a target is unknown, and those of
activations are divided by the spread of their target, so that small movements count. An interrupted run continues from
OUT/last.pt, with new render shards if there are any; `--steps` is the length of the cosine schedule and may be raised
later. The averaged weights are scored on unseen persons and renders and kept as OUT/mean.pt.
"""

import argparse
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from avfer.models.backbones.face_lite import SIDE, FaceLite, split_outputs
from avfer.models.face_measurer import ACTIVATIONS
from tools.train.face_hair import change
from tools.train.face_measures_augment import Augmentation, Targets, to_crops
from tools.train.face_measures_corpus import TEST_RENDERS, Corpus, Faces
from tools.train.face_measures_data import SHARED
from tools.train.face_measures_targets import mirrored_activations
from tools.train.face_measures_template import MARGIN

MIXTURE = (20, 14, 30)  # photographs, FER+ faces and renders in one batch
SQUARE = 4.0  # spreads up to which errors of activations are squared: most movements are 0 on most renders
CHECKPOINT = 300  # seconds between checkpoints
WARM_UP = 100  # steps until the learning rate is reached
DECAY = 0.998  # of the averaged weights


def spread(faces: Faces) -> Tensor:
    """Return the standard deviation of each activation, at least 0.03: (47,)."""
    values = faces.targets.activations
    mean = values.nanmean(0)
    return ((values - mean) ** 2).nanmean(0).sqrt().nan_to_num(1.0).clamp(min=0.03)


def masked(error: Tensor, known: Tensor, weight: Tensor | float = 1.0) -> Tensor:
    """Return the mean of errors where they are known. error, known: (N, ...), weight: broadcasts to them -> ()."""
    return (torch.where(known, error, 0.0) * weight).sum() / known.sum().clamp(min=1)


class Objective:
    """The loss of face_lite: smooth absolute errors in units of each target's spread, and presence."""

    def __init__(self, spreads: Tensor, weights: Tensor) -> None:
        """spreads: (3, 47) of photographs, FER+ and renders; weights: (146,) of the landmarks, 1 on average."""
        self._spreads, self._weights = spreads, weights

    def __call__(self, rows: Tensor, targets: Targets, source: Tensor) -> Tensor:
        """rows: (N, 345) outputs of the last layer; source: (N,) row of `spreads` -> ()."""
        outputs = split_outputs(rows)

        def error(
            value: Tensor, target: Tensor, unit: Tensor | float, weight: Tensor | float = 1.0, square: float = 1.0
        ) -> Tensor:
            """Return the mean error in `unit`s, squared up to `square` units and absolute above."""
            known = ~target.isnan()
            gap = (value - torch.where(known, target, value.detach())) / unit
            errors = square * F.smooth_l1_loss(gap, torch.zeros_like(gap), reduction="none", beta=square)
            return masked(errors, known, weight)

        return (
            error(outputs.landmarks, targets.landmarks, 0.02, self._weights[None, :, None])
            + 4 * error(outputs.activations, targets.activations, self._spreads[source], square=SQUARE)
            + 0.5 * error(outputs.rotation, targets.rotation, 8.0)
            + 2 * error(outputs.gaze, targets.gaze, 10.0)
            + 0.3 * F.binary_cross_entropy_with_logits(outputs.presence, targets.presence)
        )


def landmark_weights(index: np.ndarray) -> Tensor:
    """Return the weights of the landmarks, 1 on average: eyes, irises and inner lips count twice as much."""
    fine = {33, 133, 144, 145, 153, 154, 155, 157, 158, 159, 160, 161, 163, 173, 246, 7, *range(468, 478)}
    fine |= {263, 362, 373, 374, 380, 381, 382, 384, 385, 386, 387, 388, 390, 398, 466, 249}
    fine |= {13, 14, 78, 80, 81, 82, 87, 88, 95, 178, 191, 308, 310, 311, 312, 317, 318, 324, 402, 415}
    weights = torch.tensor([2.0 if int(point) in fine else 1.0 for point in index])
    return weights / weights.mean()


@torch.inference_mode()
def predict(model: torch.nn.Module, pixels: Tensor) -> Tensor:
    """Return the outputs of the last layer: (N, 120, 120, C) uint8 -> (N, 345)."""
    model.eval()
    return torch.cat([model(to_crops(part)) for part in pixels.split(64)])


def correlations(values: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return Pearson's r of each column, NaN where it has no spread or no target: (N, K), (N, K) -> (K,)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        a, b = values - values.mean(0), targets - targets.mean(0)
        return (a * b).sum(0) / np.sqrt((a**2).sum(0) * (b**2).sum(0))


def figures(model: torch.nn.Module, faces: Faces) -> str:
    """Return the mean r of activations, and mean absolute errors of landmarks (% of the side), pose and gaze."""
    outputs, targets = split_outputs(predict(model, faces.pixels)), faces.targets
    r = correlations(outputs.activations.numpy(), targets.activations.numpy())
    landmarks = 100 * (outputs.landmarks - targets.landmarks).abs().nanmean()
    pose, gaze = (
        (a - b).abs().nanmean(0) for a, b in ((outputs.rotation, targets.rotation), (outputs.gaze, targets.gaze))
    )
    low = np.argsort(np.nan_to_num(r, nan=9))[:4]
    lowest = " ".join(f"{ACTIVATIONS[k]} {r[k]:.2f}" for k in low)
    return (
        f"r {np.nanmean(r):.3f} ({lowest}) points {landmarks:.2f} pose {' '.join(f'{v:.1f}' for v in pose)}"
        f" gaze {' '.join(f'{v:.1f}' for v in gaze)}"
    )


class Batches:
    """Random batches; batch number `step` depends on its number and the faces alone."""

    def __init__(self, corpus: Corpus, renders: Faces, hair: float) -> None:
        """hair: share of the faces that get hair about the mouth, other lips or darker skin."""
        self._hair = hair
        self._parts = (corpus.photographs, corpus.ferplus, renders)
        points = [list(corpus.index).index(point) for point in (468, 473)]
        self._augment = Augmentation(corpus.mirrored, mirrored_activations(), (points[0], points[1]))
        self.source = torch.repeat_interleave(torch.arange(3), torch.tensor(MIXTURE))

    def __call__(self, step: int) -> tuple[Tensor, Targets]:
        """Return the crops and targets of one batch."""
        torch.set_num_threads(1)
        rng, g = np.random.default_rng(step), torch.Generator().manual_seed(step)
        drawn = [part.rows(rng.integers(0, len(part.pixels), n)) for part, n in zip(self._parts, MIXTURE, strict=True)]
        pixels = torch.cat([one.pixels.expand(-1, -1, -1, 3) for one in drawn])
        names = vars(drawn[0].targets)
        targets = Targets(**{name: torch.cat([vars(one.targets)[name] for one in drawn]) for name in names})
        for row in np.flatnonzero(rng.uniform(size=len(pixels)) < self._hair) if self._hair else ():
            points = targets.landmarks[row].numpy() * SIDE + MARGIN
            pixels[row] = torch.from_numpy(change(pixels[row].numpy(), points, rng))
        return self._augment(pixels, targets, g)


@torch.no_grad()
def average(means: Sequence[Tensor], current: Sequence[Tensor], number: Tensor | int) -> None:
    """Move averaged weights towards the current ones, in place; the first updates weigh more. number: of updates."""
    share = max(1 - DECAY, 9 / (10 + int(number)))
    for mean, value in zip(means, current, strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, share)
        else:
            mean.copy_(value)


@torch.no_grad()
def start_at_mean(model: FaceLite, corpus: Corpus) -> None:
    """Set the bias of the last layer so that an untrained network returns the mean landmarks and activations."""
    targets = corpus.photographs.targets
    middle = (targets.landmarks.mean(0) - 0.5).flatten()
    movement = targets.activations.nanmean(0).nan_to_num(0.1)
    model.heads.weight.mul_(0.1)
    model.heads.bias[: len(middle)] = middle
    model.heads.bias[len(middle) : len(middle) + len(movement)] = movement


def parameter_groups(model: torch.nn.Module) -> Sequence[dict[str, object]]:
    """Return the parameters with weight decay for matrices and kernels only."""
    return [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.02},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]


def train(
    crops: Path, data: Path, out: Path, steps: int, rate: float, threads: int, hair: float, start: Path | None
) -> None:
    """Train until `steps` batches are done; see the module's text.

    rate: highest learning rate; hair: share of changed faces; start: weights (.safetensors) to begin with.
    """
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    corpus = Corpus(crops, data)
    renders, test_renders = corpus.renders(range(TEST_RENDERS)), corpus.renders(range(TEST_RENDERS, 10**6))
    parts = (corpus.photographs, corpus.ferplus, renders)
    print("faces", [len(part.pixels) for part in parts], len(corpus.held_out.pixels), len(test_renders.pixels))
    shards = corpus.num_shards()
    objective = Objective(torch.stack([spread(part) for part in parts]), landmark_weights(corpus.index))
    batches = Batches(corpus, renders, hair)
    model = FaceLite().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    if start:
        tensors = {name: value.float() for name, value in load_file(start).items() if not name.startswith("visible.")}
        model.load_state_dict(tensors)
    else:
        start_at_mean(model, corpus)
    mean_model = AveragedModel(model, multi_avg_fn=average, use_buffers=True)
    optimizer = torch.optim.AdamW(parameter_groups(model), lr=rate)
    first = 0
    if (out / "last.pt").exists():
        saved = torch.load(out / "last.pt", weights_only=True)
        model.load_state_dict(saved["model"])
        mean_model.load_state_dict(saved["mean_model"])
        optimizer.load_state_dict(saved["optimizer"])
        first = saved["step"]

    started, total, since = time.time(), 0.0, first
    ahead = ThreadPoolExecutor(1)
    coming = ahead.submit(batches, first)
    for step in range(first, steps):
        images, targets = coming.result()
        coming = ahead.submit(batches, step + 1)
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))
        model.train()
        with torch.autocast("cpu", torch.bfloat16):
            rows = model(images)
        loss = objective(rows.float(), targets, batches.source)
        if not loss.isfinite():
            raise SystemExit(f"step {step}: loss is {loss.item()}")
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        mean_model.update_parameters(model)
        total += loss.item()
        if time.time() - started > CHECKPOINT or step + 1 == steps:
            done = step + 1 - since
            speed = done * sum(MIXTURE) / (time.time() - started)
            print(f"{time.strftime('%H:%M')} step {step + 1} of {steps}, {speed:.0f} faces/s, loss {total / done:.4f}")
            state = {"model": model.state_dict(), "mean_model": mean_model.state_dict()}
            torch.save(state | {"optimizer": optimizer.state_dict(), "step": step + 1}, out / "next.pt")
            (out / "next.pt").replace(out / "last.pt")
            torch.save(mean_model.module.state_dict(), out / "mean.next")
            (out / "mean.next").replace(out / "mean.pt")
            some = {"persons": corpus.held_out.rows(np.arange(300)), "renders": test_renders.rows(np.arange(200))}
            for name, faces in some.items():
                print(f"  {name}: {figures(mean_model, faces)}", flush=True)
            if corpus.num_shards() > shards:
                shards, renders = corpus.num_shards(), corpus.renders(range(TEST_RENDERS))
                batches = Batches(corpus, renders, hair)
                print(f"  {len(renders.pixels)} renders", flush=True)
            started, total, since = time.time(), 0.0, step + 1
    ahead.shutdown()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("crops", type=Path, help="folder of the shards")
    parser.add_argument("out", type=Path, help="folder for checkpoints")
    parser.add_argument("--data", type=Path, default=SHARED, help="folder with the data of all corpora")
    parser.add_argument("--steps", type=int, default=20000)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--hair", type=float, default=0.0, help="share of faces with drawn hair or other lips and skin")
    parser.add_argument("--start", type=Path, help="weights of face_lite (.safetensors) to begin with")
    options = parser.parse_args()
    train(
        options.crops,
        options.data,
        options.out,
        options.steps,
        options.rate,
        options.threads,
        options.hair,
        options.start,
    )
