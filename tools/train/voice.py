"""Train vggish_lite on RAVDESS, eight emotions, speakers disjoint: `python -m tools.train.voice DATA OUT`.

The log-mel frames of each sentence are computed once at five speeds. Every batch draws patches from the voiced part and
changes them in the mel domain: gain, colour of the channel, noise, masks of time and frequency, mixup. A second head is
trained on the intensity of the performance and discarded at the end. The averaged network with the best recall on the
valid speakers is kept; it is scored on the test speakers at the end, or by `--score`. An interrupted run continues from
OUT/last.pt.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from avfer.models.backbones.vggish import VggishLite
from avfer.models.card import Card, Metric
from avfer.models.card_files import BUILTIN
from avfer.models.weights import save
from avfer.signal.log_mel import BANDS, OFFSET, PATCH_FRAMES
from tools.train.ravdess import EMOTIONS, Utterance, load_utterances, log_mels, patches_of, voiced

SPEEDS = (0.88, 0.94, 1.0, 1.06, 1.12)
DRAWS = 4  # patches drawn from a sentence in an epoch
HOP = 20  # frames between two scored patches


def draw(frames: Tensor, span: tuple[int, int]) -> Tensor:
    """Draw a patch whose centre lies in the voice: (F, 64) log-mel -> (96, 64).   span: voiced frames [start, stop)"""
    first, stop = max(0, span[0] - 24), max(span[0] - 23, span[1] - PATCH_FRAMES + 24)
    start = int(torch.randint(first, stop, ()).clamp(max=len(frames) - PATCH_FRAMES))
    return frames[start : start + PATCH_FRAMES]


def change_channel(frames: Tensor) -> Tensor:
    """Give each sentence a random gain, channel colour and background noise: (N, F, 64) log-mel -> (N, F, 64)."""
    n = len(frames)
    mel = frames.exp() - OFFSET
    gain = torch.rand(n, 1, 1) * 16 - 8
    colour = F.interpolate(torch.randn(n, 1, 5) * 3, BANDS, mode="linear", align_corners=True)
    mel = mel * 10 ** ((gain + colour) / 20)
    tint = F.interpolate(torch.randn(n, 1, 4) * 4, BANDS, mode="linear", align_corners=True)
    floor = 10 ** ((torch.rand(n, 1, 1) * 50 - 60 + tint) / 20) * (torch.rand(n, 1, 1) < 0.5)
    noise = floor * torch.randn_like(mel).abs()
    return torch.log((mel**2 + noise**2).sqrt() + OFFSET)


def augment(patches: Tensor) -> Tensor:
    """Change the channel and mask a stretch of time and of frequency: (N, 96, 64) -> (N, 1, 96, 64)."""
    x = change_channel(patches)
    for axis, longest in ((1, 20), (2, 10)):
        x = torch.where(_stripe(len(x), x.shape[axis], longest, axis), x.mean((1, 2), keepdim=True), x)
    return x[:, None]


def _stripe(n: int, length: int, longest: int, axis: int) -> Tensor:
    """Return (N, length, 1) or (N, 1, length) bool masks, True on one random stretch of the axis."""
    width, place = torch.rand(n, 1) * longest, torch.rand(n, 1) * length
    at = torch.arange(length)
    return ((at >= place) & (at < place + width)).unsqueeze(3 - axis)


@torch.inference_mode()
def probabilities(model: nn.Module, mels: list[Tensor]) -> list[Tensor]:
    """Return the probabilities, (P, 8), of the voiced patches of each sentence.   mels: (F, 64) each"""
    model.eval()
    parts = []
    for frames in mels:
        patches, is_voiced = patches_of(frames, HOP)
        parts.append(patches[is_voiced] if is_voiced.any() else patches)
    out = torch.cat([model(part).softmax(1) for part in torch.cat(parts).split(64)])
    return list(out.split([len(part) for part in parts]))


def recall(prediction: Tensor, target: Tensor) -> float:
    """Return the unweighted average recall over the classes that occur.   prediction, target: (N,) int64"""
    return float(np.mean([(prediction[target == k] == k).float().mean().item() for k in target.unique()]))


def recalls(model: nn.Module, mels: list[Tensor], target: Tensor) -> tuple[float, float]:
    """Return the unweighted average recall per sentence (mean probabilities of its patches) and per patch.

    mels: (F, 64) log-mel of each of N sentences; target: (N,) int64.
    """
    outputs = probabilities(model, mels)
    sentence = recall(torch.stack([p.mean(0) for p in outputs]).argmax(1), target)
    patch = recall(torch.cat(outputs).argmax(1), target.repeat_interleave(torch.tensor([len(p) for p in outputs])))
    return sentence, patch


def emotions_of(utterances: list[Utterance]) -> Tensor:
    """Return the emotions of sentences as indices of EMOTIONS: (N,) int64."""
    return torch.tensor([u.emotion for u in utterances])


def train(data: Path, out: Path, epochs: int, batch: int, rate: float) -> None:
    """Train and write the averaged network with the best recall on the valid speakers to `out`/best.pt.

    data: folder with labels.csv and audio/; batch: patches; rate: highest learning rate.
    """
    torch.manual_seed(0)
    out.mkdir(parents=True, exist_ok=True)
    sentences, valid = load_utterances(data, "train"), load_utterances(data, "valid")
    mels = {speed: log_mels(sentences, speed) for speed in SPEEDS}
    spans = {speed: [voiced(frames) for frames in mels[speed]] for speed in SPEEDS}
    valid_mels, valid_target = log_mels(valid), emotions_of(valid)
    target, strong = emotions_of(sentences), torch.tensor([float(u.strong) for u in sentences])

    model, intensity = VggishLite().to(memory_format=torch.channels_last), nn.Linear(128, 1)
    mean_model = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.995), use_buffers=True)
    parameters = [*model.parameters(), *intensity.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.05)
    first, best, checkpoint = 0, 0.0, out / "last.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        intensity.load_state_dict(saved["intensity"])
        mean_model.load_state_dict(saved["mean_model"])
        optimizer.load_state_dict(saved["optimizer"])
        first, best = saved["epoch"] + 1, saved["best"]

    steps = len(sentences) * DRAWS // batch
    for epoch in range(first, epochs):
        started, total = time.time(), 0.0
        order = torch.from_numpy(np.random.default_rng(epoch).permutation(len(sentences) * DRAWS) % len(sentences))
        model.train()
        for step in range(steps):
            done = (epoch + step / steps) / epochs
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1.0, done * epochs / 3) * 0.5 * (1 + math.cos(math.pi * done))
            rows = order[step * batch : (step + 1) * batch]
            speeds = [SPEEDS[i] for i in torch.randint(len(SPEEDS), (len(rows),))]
            x = augment(torch.stack([draw(mels[s][i], spans[s][i]) for s, i in zip(speeds, rows, strict=True)]))
            goal, is_strong = F.one_hot(target[rows], len(EMOTIONS)).float(), strong[rows]
            if step % 2:  # mixup (Zhang et al. 2018) in every second batch
                other, share = torch.randperm(len(rows)), float(np.random.beta(0.3, 0.3))
                x = share * x + (1 - share) * x[other]
                goal = share * goal + (1 - share) * goal[other]
                is_strong = share * is_strong + (1 - share) * is_strong[other]
            with torch.autocast("cpu", torch.bfloat16):
                vector = model.features(x.contiguous(memory_format=torch.channels_last))
                logits, intensity_logits = model.emotion(model.dropout(vector)), intensity(model.dropout(vector))[:, 0]
            loss = F.cross_entropy(logits.float(), goal, label_smoothing=0.1)
            loss = loss + 0.3 * F.binary_cross_entropy_with_logits(intensity_logits.float(), is_strong)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            mean_model.update_parameters(model)
            total += loss.item()
        sentence, patch = recalls(mean_model, valid_mels, valid_target) if epoch % 2 else (0.0, 0.0)
        if sentence:
            spent = time.time() - started
            print(f"{epoch=} loss {total / steps:.4f} valid {sentence:.4f} {patch:.4f} {spent:.0f} s", flush=True)
        if sentence + patch > best:
            best = sentence + patch
            torch.save(mean_model.module.state_dict(), out / "best.pt")
        state = {"model": model.state_dict(), "mean_model": mean_model.state_dict(), "epoch": epoch, "best": best}
        state |= {"intensity": intensity.state_dict(), "optimizer": optimizer.state_dict()}
        torch.save(state, out / "next.pt")
        (out / "next.pt").replace(checkpoint)


def publish(data: Path, out: Path, folder: Path) -> None:
    """Score the best network on the valid and test speakers and write weights and card to `folder`."""
    model = VggishLite()
    model.load_state_dict(torch.load(out / "best.pt", weights_only=True))
    model.half().float()  # rounded to half precision, as it will be stored
    metrics = []
    for split, speakers in (("valid", "15-18"), ("test", "19-22")):
        sentences = load_utterances(data, split)
        scores = recalls(model, log_mels(sentences), emotions_of(sentences))
        for value, unit in zip(scores, ("sentence, mean of its patches' probabilities", "0.96 s patch"), strict=True):
            protocol = f"RAVDESS speech, speakers {speakers} ({split}), {len(sentences)} sentences, per {unit}"
            metrics.append(Metric(name="uar", value=round(value, 4), protocol=protocol))
            print(f"{split} {value:.4f} {unit}")
    card = Card(
        name="vggish_lite",
        task="vocal emotion",
        description="A small VGG network on VGGish log-mel patches of 0.96 s; its embedding is the voice feature.",
        features=model.num_features,
        classes=list(EMOTIONS),
        data="RAVDESS speech, speakers 1-14: intended emotions of professional actors, two sentences in English.",
        licence_weights="CC BY-NC-SA 4.0 (trained on RAVDESS): non-commercial",
        sources=[
            "Livingstone and Russo 2018, RAVDESS, doi:10.1371/journal.pone.0196391",
            "Hershey et al. 2017, CNN Architectures for Large-Scale Audio Classification (VGGish), arXiv:1609.09430",
        ],
        metrics=metrics,
    )
    print(save(model, card, folder / f"{card.name}.safetensors", half=True))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with labels.csv and audio/")
    parser.add_argument("out", type=Path, help="folder for checkpoints; an interrupted run continues from them")
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--score", action="store_true", help="score the best network of a finished run instead of training"
    )
    parser.add_argument("--folder", type=Path, default=BUILTIN, help="folder for the weights")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if not options.score:
        train(options.data, options.out, options.epochs, options.batch, options.rate)
    publish(options.data, options.out, options.folder)
