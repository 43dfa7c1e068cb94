"""Train vggish_lite on RAVDESS (python -m tools.train.voice DATA OUT): eight emotions, speakers apart.

Sentences are made log-mel at five speeds once; every batch then draws patches from the voiced part and changes
them in the mel domain: gain, colour of the channel, noise, masks of time and frequency, mixup. A head for the
actor's intensity learns along and is thrown away. The averaged network with the best recall per sentence on the
valid speakers is kept; the test speakers are read once, by `--score`.
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

from avfer.models.backbones.vggish_lite import VggishLite
from avfer.models.card import Card, Metric
from avfer.models.weights import save
from avfer.signal.log_mel import BANDS, OFFSET, PATCH_FRAMES
from tools.train.ravdess import EMOTIONS, Utterance, load_utterances, log_mels, patches_of, voiced

SPEEDS = (0.88, 0.94, 1.0, 1.06, 1.12)
DRAWS = 4  # patches of a sentence in an epoch
HOP = 20  # frames between the patches that are scored


def draw(frames: Tensor, span: tuple[int, int]) -> Tensor:
    """One patch (96, 64) whose centre lies in the voice."""
    first, stop = max(0, span[0] - 24), max(span[0] - 23, span[1] - PATCH_FRAMES + 24)
    start = int(torch.randint(first, stop, ()).clamp(max=len(frames) - PATCH_FRAMES))
    return frames[start : start + PATCH_FRAMES]


def change_channel(frames: Tensor) -> Tensor:
    """Another gain, colour and background noise for each: (N, F, 64) log-mel -> the same."""
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
    """Another channel, and masks of time and frequency: (N, 96, 64) -> (N, 1, 96, 64)."""
    x = change_channel(patches)
    for axis, most in ((1, 20), (2, 10)):
        x = torch.where(_stripe(len(x), x.shape[axis], most, axis), x.mean((1, 2), keepdim=True), x)
    return x[:, None]


def _stripe(n: int, length: int, most: int, axis: int) -> Tensor:
    width, place = torch.rand(n, 1) * most, torch.rand(n, 1) * length
    at = torch.arange(length)
    return ((at >= place) & (at < place + width)).unsqueeze(3 - axis)


@torch.inference_mode()
def probabilities(model: nn.Module, mels: list[Tensor]) -> list[Tensor]:
    """For each sentence the probabilities (P, 8) of its patches with voice."""
    model.eval()
    parts = []
    for frames in mels:
        patches, speaks = patches_of(frames, HOP)
        parts.append(patches[speaks] if speaks.any() else patches)
    out = torch.cat([model(part).softmax(1) for part in torch.cat(parts).split(64)])
    return list(out.split([len(part) for part in parts]))


def recall(guess: Tensor, truth: Tensor) -> float:
    """Unweighted average recall over the emotions."""
    return float(np.mean([(guess[truth == k] == k).float().mean().item() for k in truth.unique()]))


def recalls(model: nn.Module, mels: list[Tensor], truth: Tensor) -> tuple[float, float]:
    """Unweighted average recall per sentence (mean of its patches' probabilities) and per patch."""
    told = probabilities(model, mels)
    sentence = recall(torch.stack([p.mean(0) for p in told]).argmax(1), truth)
    patch = recall(torch.cat(told).argmax(1), truth.repeat_interleave(torch.tensor([len(p) for p in told])))
    return sentence, patch


def emotions_of(utterances: list[Utterance]) -> Tensor:
    """(N,) int64."""
    return torch.tensor([u.emotion for u in utterances])


def train(data: Path, out: Path, epochs: int, batch: int, rate: float) -> None:
    torch.manual_seed(0)
    out.mkdir(parents=True, exist_ok=True)
    sentences, valid = load_utterances(data, "train"), load_utterances(data, "valid")
    mels = {speed: log_mels(sentences, speed) for speed in SPEEDS}
    spans = {speed: [voiced(frames) for frames in mels[speed]] for speed in SPEEDS}
    valid_mels, valid_truth = log_mels(valid), emotions_of(valid)
    truth, strong = emotions_of(sentences), torch.tensor([float(u.strong) for u in sentences])

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
            goal, force = F.one_hot(truth[rows], len(EMOTIONS)).float(), strong[rows]
            if step % 2:  # every second batch is mixed with itself (mixup, Zhang et al. 2018)
                other, share = torch.randperm(len(rows)), float(np.random.beta(0.3, 0.3))
                x = share * x + (1 - share) * x[other]
                goal = share * goal + (1 - share) * goal[other]
                force = share * force + (1 - share) * force[other]
            with torch.autocast("cpu", torch.bfloat16):
                vector = model.features(x.contiguous(memory_format=torch.channels_last))
                logits, loud = model.emotion(model.dropout(vector)), intensity(model.dropout(vector))[:, 0]
            loss = F.cross_entropy(logits.float(), goal, label_smoothing=0.1)
            loss = loss + 0.3 * F.binary_cross_entropy_with_logits(loud.float(), force)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            mean_model.update_parameters(model)
            total += loss.item()
        sentence, patch = recalls(mean_model, valid_mels, valid_truth) if epoch % 2 else (0.0, 0.0)
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
    """Score the best network on the test speakers and write weights and card."""
    model = VggishLite()
    model.load_state_dict(torch.load(out / "best.pt", weights_only=True))
    model.half().float()  # measured as it will be stored
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
        description="A small VGG on VGGish log-mel patches of 0.96 s; its embedding is the voice feature.",
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
    parser.add_argument("out", type=Path, help="folder for checkpoints; a run that was cut goes on from there")
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--score", action="store_true", help="do not train: score the best network, write its weights")
    parser.add_argument("--folder", type=Path, default=Path("avfer/builtin"), help="where the weights go")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if not options.score:
        train(options.data, options.out, options.epochs, options.batch, options.rate)
    publish(options.data, options.out, options.folder)
