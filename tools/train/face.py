"""Train aver_lite on FER+ with soft crowd labels, SGD and averaged weights: `python -m tools.train.face DATA OUT`.

The size of the pictures grows over the epochs (32, 40, 48 px), which halves the time. The averaged network with the
best accuracy on the validation split is kept; `tools/train/export_face.py` scores it on the test split. An interrupted
run continues from OUT/last.pt.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from avfer.models.backbones.aver_lite import AverLite
from tools.train.ferplus import distributions, load_faces, majority

SIDES = ((0.4, 32), (0.8, 40), (1.1, 48))  # (share of the epochs, side in px until then)


def to_crops(faces: Tensor) -> Tensor:
    """Normalise faces with the mean and std of the card: (N, 48, 48) uint8 -> (N, 3, 48, 48) float32."""
    return ((faces.float() / 255 - 0.5) / 0.25)[:, None].expand(-1, 3, -1, -1)


def augment(faces: Tensor, side: int) -> Tensor:
    """Return normalised faces, randomly distorted: (N, 48, 48) uint8 -> (N, 3, side, side) float32.

    Each is flipped, rotated, scaled, stretched, shifted, blurred or sharpened, changed in gamma, given noise, and a
    rectangle of it is erased.
    """
    n = len(faces)
    x = faces.float()[:, None] / 255

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(n) * (high - low) + low

    angle, scale, aspect = uniform(-0.3, 0.3), uniform(0.8, 1.15), uniform(0.92, 1.08)
    flip = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    theta = torch.stack(
        [
            torch.stack([flip * scale * aspect * angle.cos(), -scale * angle.sin(), uniform(-0.15, 0.15)], 1),
            torch.stack([flip * scale * angle.sin(), scale / aspect * angle.cos(), uniform(-0.15, 0.15)], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta, [n, 1, side, side], align_corners=False)
    x = F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
    blurred = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    x = torch.lerp(x, blurred, (uniform(-0.5, 1.0)).clamp(0, 1).view(-1, 1, 1, 1))
    x = x.clamp(1e-3, 1) ** torch.exp(uniform(-0.4, 0.4)).view(-1, 1, 1, 1)
    x = x + torch.randn_like(x) * uniform(-0.03, 0.03).clamp(0).view(-1, 1, 1, 1)
    rows, cols = torch.arange(side).view(1, -1, 1), torch.arange(side).view(1, 1, -1)
    top, left = (uniform(-0.2, 1) * side).view(-1, 1, 1), (uniform(-0.2, 1) * side).view(-1, 1, 1)
    tall, wide = (uniform(-0.3, 0.45) * side).view(-1, 1, 1), (uniform(0.1, 0.45) * side).view(-1, 1, 1)
    hole = (rows > top) & (rows < top + tall) & (cols > left) & (cols < left + wide)
    x = torch.where(hole[:, None], torch.rand(n, 1, 1, 1), x)
    return ((x - 0.5) / 0.25).expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def accuracy(model: torch.nn.Module, faces: Tensor, labels: Tensor) -> float:
    """Return the share of faces, (N, 48, 48) uint8, whose most probable class is the label, (N,) int64."""
    model.eval()
    predictions = [model(to_crops(part)).argmax(1) for part in faces.split(128)]
    return (torch.cat(predictions) == labels).float().mean().item()


def train(data: Path, out: Path, epochs: int, batch: int, rate: float, threads: int) -> None:
    """Train and write the averaged network with the best validation accuracy to `out`/best.pt.

    data: folder with train.npz and valid.npz; batch: faces; rate: highest learning rate; threads: of torch.
    """
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    pictures, arrays = load_faces(data, "train")
    targets, keep = distributions(arrays["votes"])
    faces, goals = torch.from_numpy(pictures[keep]), torch.from_numpy(targets[keep])
    pictures, arrays = load_faces(data, "valid")
    labels, keep = majority(arrays["votes"])
    valid, truth = torch.from_numpy(pictures[keep]), torch.from_numpy(labels[keep])

    model = AverLite().to(memory_format=torch.channels_last)
    mean_model = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.998), use_buffers=True)
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": 5e-4}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=rate, momentum=0.9, nesterov=True)
    steps = len(faces) // batch
    first, best = 0, 0.0
    checkpoint = out / "last.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        mean_model.load_state_dict(saved["mean_model"])
        optimizer.load_state_dict(saved["optimizer"])
        first, best = saved["epoch"] + 1, saved["best"]

    for epoch in range(first, epochs):
        started, total = time.time(), 0.0
        side = next(side for share, side in SIDES if epoch / epochs < share)
        order = torch.from_numpy(np.random.default_rng(epoch).permutation(len(faces)))
        model.train()
        for step in range(steps):
            done = (epoch + step / steps) / epochs
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1.0, done * epochs / 2) * 0.5 * (1 + math.cos(math.pi * done))
            rows = order[step * batch : (step + 1) * batch]
            crops, goal = augment(faces[rows], side), goals[rows]
            if step % 2:  # mixup (Zhang et al. 2018) in every second batch
                other, share = torch.randperm(len(rows)), float(np.random.beta(0.3, 0.3))
                crops = share * crops + (1 - share) * crops[other]
                goal = share * goal + (1 - share) * goal[other]
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(crops)
            loss = F.cross_entropy(logits.float(), goal)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            mean_model.update_parameters(model)
            total += loss.item()
        score = accuracy(mean_model, valid, truth)
        print(f"{epoch=} {side=} loss {total / steps:.4f} valid {score:.4f} {time.time() - started:.0f} s", flush=True)
        if score >= best:
            best = score
            torch.save(mean_model.module.state_dict(), out / "best.pt")
        state = {"model": model.state_dict(), "mean_model": mean_model.state_dict()}
        state |= {"optimizer": optimizer.state_dict(), "epoch": epoch, "best": best}
        torch.save(state, out / "next.pt")
        (out / "next.pt").replace(checkpoint)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with train.npz and valid.npz")
    parser.add_argument("out", type=Path, help="folder for checkpoints")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    train(options.data, options.out, options.epochs, options.batch, options.rate, options.threads)
