"""Distort batches of faces for face_lite, with their targets."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from avfer.models.backbones.face_lite import SIDE
from tools.train.face_measures_template import MARGIN

CANVAS = SIDE + 2 * MARGIN
MEAN, STD = 0.5, 0.25


@dataclass(frozen=True, eq=False)
class Targets:
    """Targets of N faces; NaN where unknown."""

    landmarks: Tensor  # (N, 146, 2) shares of the crop's side
    activations: Tensor  # (N, 47)
    rotation: Tensor  # (N, 3) degrees
    gaze: Tensor  # (N, 2) degrees
    presence: Tensor  # (N,) 1 or 0


def to_crops(pixels: Tensor) -> Tensor:
    """Cut the margin off and normalise as the card says: (N, 120, 120, 1 or 3) uint8 -> (N, 3, 96, 96) float32."""
    inner = pixels[:, MARGIN:-MARGIN, MARGIN:-MARGIN].permute(0, 3, 1, 2).expand(-1, 3, -1, -1)
    return ((inner.float() / 255 - MEAN) / STD).contiguous(memory_format=torch.channels_last)


def mirror(targets: Targets, flip: Tensor, points: Sequence[int], activations: Sequence[int]) -> Targets:
    """Return the targets of mirrored faces where `flip` (N,) is True; landmarks must be mirrored in place already."""
    one = flip[:, None]
    sign = torch.tensor([-1.0, 1.0, -1.0])
    return Targets(
        torch.where(one[..., None], targets.landmarks[:, points], targets.landmarks),
        torch.where(one, targets.activations[:, activations], targets.activations),
        torch.where(one, targets.rotation * sign, targets.rotation),
        torch.where(one, targets.gaze * sign[:2], targets.gaze),
        targets.presence,
    )


def turn_gaze(gaze: Tensor, degrees: Tensor) -> Tensor:
    """Return the gaze in pictures that are turned clockwise: (N, 2), (N,) degrees -> (N, 2)."""
    yaw, pitch = gaze.deg2rad().unbind(1)
    x, y, z = pitch.cos() * yaw.sin(), pitch.sin(), pitch.cos() * yaw.cos()
    c, s = degrees.deg2rad().cos(), degrees.deg2rad().sin()
    x, y = c * x + s * y, c * y - s * x
    return torch.stack([torch.atan2(x, z), torch.atan2(y, torch.hypot(x, z))], 1).rad2deg()


class Augmentation:
    """Random distortions; `__call__` changes pictures and targets together."""

    def __init__(self, points: Sequence[int], activations: Sequence[int], eyes: tuple[int, int]) -> None:
        """points, activations: columns after mirroring; eyes: columns of the pupils among the landmarks."""
        self.points, self.activations, self.eyes = list(points), list(activations), eyes
        k = torch.arange(8)
        self._dct = torch.cos(math.pi * (2 * k[None] + 1) * k[:, None] / 16) * 0.5
        self._dct[0] /= math.sqrt(2)

    def __call__(
        self, pixels: Tensor, targets: Targets, g: torch.Generator, occlude: bool = True
    ) -> tuple[Tensor, Targets]:
        """Return crops and targets.

        pixels: (N, 120, 120, 3) uint8; g: source of all randomness; occlude: whether hands and glasses may cover faces
        -> (N, 3, 96, 96).
        """
        x, targets = self._move(pixels.permute(0, 3, 1, 2).contiguous().float() / 255, targets, g)
        x = self._colour(x, g)
        x = self._occlude(x, targets, g) if occlude else x
        x = self._light(x, g)
        x = self._compress(self._coarsen(x, g), g)
        noisy = (torch.rand(len(x), generator=g) < 0.5).nonzero()[:, 0]
        strength = torch.rand(len(noisy), 1, 1, 1, generator=g) * 0.04
        x[noisy] += strength * torch.randn(len(noisy), 1, SIDE, SIDE, generator=g)
        return ((x - MEAN) / STD).contiguous(memory_format=torch.channels_last), targets

    def _move(self, x: Tensor, targets: Targets, g: torch.Generator) -> tuple[Tensor, Targets]:
        n = len(x)

        def normal(spread: float, most: float) -> Tensor:
            return (torch.randn(n, generator=g) * spread).clamp(-most, most)

        flip = torch.rand(n, generator=g) < 0.5
        absent = torch.rand(n, generator=g) < 0.05
        degrees, scale = normal(4, 15), normal(0.055, 0.2).exp()
        shift = torch.stack([normal(0.02, 0.08), normal(0.02, 0.08)], 1)
        # Pictures without a face in its place: moved far out, magnified, or upside down.
        kind = torch.rand(n, generator=g)
        far = torch.where(torch.rand(n, 2, generator=g) < 0.5, -1.0, 1.0) * (0.55 + 0.3 * torch.rand(n, 2, generator=g))
        shift = torch.where((absent & (kind < 0.5))[:, None], far, shift)
        scale = torch.where(absent & (kind >= 0.5) & (kind < 0.75), 4 * scale, scale)
        degrees = torch.where(absent & (kind >= 0.75), degrees + 180, degrees)
        # Output to input, both in [-1, 1]: mirror after turning back.
        angle, size = degrees.deg2rad(), SIDE / CANVAS / scale
        sign = torch.where(flip, -1.0, 1.0)
        c, s = angle.cos(), angle.sin()
        turn = torch.stack([torch.stack([c, s], 1), torch.stack([-s, c], 1)], 1)
        back = turn * size[:, None, None]
        offset = -(back @ (2 * shift)[:, :, None])[:, :, 0]
        mirrored = torch.stack([sign, torch.ones(n)], 1)
        theta = torch.cat([back, offset[:, :, None]], 2) * mirrored[:, :, None]
        grid = F.affine_grid(theta, [n, 3, SIDE, SIDE], align_corners=False)
        moved = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
        if moved.shape[1] == 1:
            moved = moved.expand(-1, 3, -1, -1)
        points = (targets.landmarks * SIDE + MARGIN) / CANVAS * 2 - 1
        points = points * mirrored[:, None] - offset[:, None]
        points = (torch.linalg.inv(back)[:, None] @ points[..., None])[..., 0] / 2 + 0.5
        there = ~absent
        targets = mirror(
            Targets(points, targets.activations, targets.rotation, targets.gaze, there.float()),
            flip,
            self.points,
            self.activations,
        )
        rotation = targets.rotation + torch.stack([torch.zeros(n), torch.zeros(n), degrees], 1)
        known = torch.where(there, 0.0, math.nan)[:, None]
        gaze = turn_gaze(targets.gaze, degrees)
        return moved, Targets(
            targets.landmarks + known[..., None],
            targets.activations + known,
            rotation + known,
            gaze + known,
            targets.presence,
        )

    def _colour(self, x: Tensor, g: torch.Generator) -> Tensor:
        n = len(x)
        grey = (x * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
        away = (torch.rand(n, generator=g) < 0.5).view(-1, 1, 1, 1)
        share = torch.where(away, 0.0, 0.4 + 0.8 * torch.rand(n, 1, 1, 1, generator=g))
        x = grey + share * (x - grey)
        tint = torch.randn(n, 3, 1, 1, generator=g) * 0.12 * (torch.rand(n, 1, 1, 1, generator=g) < 0.4)
        return x * tint.exp()

    def _light(self, x: Tensor, g: torch.Generator) -> Tensor:
        n, ramp = len(x), torch.linspace(-1, 1, SIDE)
        slope = torch.randn(2, n, 1, 1, 1, generator=g) * 0.25 * (torch.rand(n, 1, 1, 1, generator=g) < 0.5)
        light = (slope[0] * ramp + slope[1] * ramp[:, None] + torch.randn(n, 1, 1, 1, generator=g) * 0.15).exp()
        x = (x * light).clamp(1e-3, 1)
        rows = (torch.rand(n, generator=g) < 0.4).nonzero()[:, 0]
        gamma = (torch.randn(len(rows), 1, 1, 1, generator=g) * 0.35).clamp(-0.7, 0.7).exp()
        x[rows] = x[rows] ** gamma
        return x

    def _occlude(self, x: Tensor, targets: Targets, g: torch.Generator) -> Tensor:
        """Put a finger or hand before one face in five, and glasses on one in ten."""
        x = x.contiguous()
        chance = torch.rand(2, len(x), generator=g)
        hands, glasses = (chance[0] < 0.2).nonzero()[:, 0], (chance[1] < 0.1).nonzero()[:, 0]
        if len(hands):
            x[hands] = _with_hand(x[hands], g)
        if len(glasses):
            x[glasses] = _with_glasses(x[glasses], targets.landmarks[glasses][:, list(self.eyes)].nan_to_num(2.0), g)
        return x

    def _coarsen(self, x: Tensor, g: torch.Generator) -> Tensor:
        """Reduce parts of the batch to fewer pixels; blur or sharpen others."""
        n = len(x)
        parts: list[Tensor] = []
        for part in x.split(max(1, n // 6)):
            if torch.rand((), generator=g) < 0.6:
                side = int(torch.randint(28, 80, (), generator=g))
                small = F.interpolate(part, (side, side), mode="area")
                part = F.interpolate(small, (SIDE, SIDE), mode="bilinear")
            parts.append(part)
        x = torch.cat(parts)
        rows = (torch.rand(n, generator=g) < 0.4).nonzero()[:, 0]
        share = torch.rand(len(rows), 1, 1, 1, generator=g) * 1.6 - 0.8
        x[rows] = torch.lerp(x[rows], F.avg_pool2d(x[rows], 3, 1, 1, count_include_pad=False), share)
        return x

    def _compress(self, x: Tensor, g: torch.Generator) -> Tensor:
        """Round the cosine coefficients of 8x8 blocks of a part of the batch, as JPEG does."""
        n = max(1, len(x) // 4)
        rows = torch.randperm(len(x), generator=g)[:n]
        blocks = x[rows].reshape(n, 3, SIDE // 8, 8, SIDE // 8, 8).transpose(3, 4)
        k = torch.arange(8)
        step = (torch.rand(n, 1, 1, 1, 1, 1, generator=g) * 0.08 + 0.01) * (1 + k[:, None] + k) * 0.5
        coefficients = self._dct @ blocks @ self._dct.T
        blocks = self._dct.T @ ((coefficients / step).round() * step) @ self._dct
        x[rows] = blocks.transpose(3, 4).reshape(n, 3, SIDE, SIDE)
        return x


def _uniform(n: int, low: float, high: float, g: torch.Generator) -> Tensor:
    return torch.rand(n, 1, 1, generator=g) * (high - low) + low


def _with_hand(x: Tensor, g: torch.Generator) -> Tensor:
    """Cover a part with an ellipse or a rectangle of one colour with a shade: (N, 3, 96, 96) -> the same."""
    n, at = len(x), (torch.arange(SIDE) + 0.5) / SIDE
    dx, dy = at.view(1, 1, -1) - _uniform(n, -0.1, 1.1, g), at.view(1, -1, 1) - _uniform(n, -0.1, 1.1, g)
    angle = _uniform(n, 0, math.pi, g)
    u, v = dx * angle.cos() + dy * angle.sin(), dy * angle.cos() - dx * angle.sin()
    u, v = u / _uniform(n, 0.05, 0.35, g), v / _uniform(n, 0.03, 0.12, g)
    form = torch.where(_uniform(n, 0, 1, g) < 0.7, torch.hypot(u, v), torch.maximum(u.abs(), v.abs()))
    colour = torch.rand(n, 1, 1, 1, generator=g) * (1 + 0.2 * torch.randn(n, 3, 1, 1, generator=g))
    return torch.where((form < 1)[:, None], (colour * (1 - 0.3 * v.clamp(-1, 1)[:, None])).clamp(0, 1), x)


def _with_glasses(x: Tensor, eyes: Tensor, g: torch.Generator) -> Tensor:
    """Draw two rims about the pupils and tint the lenses: (N, 3, 96, 96), (N, 2, 2) shares -> (N, 3, 96, 96)."""
    n, at = len(x), (torch.arange(SIDE) + 0.5) / SIDE
    rows, cols = at.view(1, -1, 1), at.view(1, 1, -1)
    apart = (eyes[:, 1] - eyes[:, 0]).norm(dim=1).view(-1, 1, 1).clamp(0.05)
    width, height, power = _uniform(n, 0.3, 0.46, g), _uniform(n, 0.2, 0.4, g), _uniform(n, 2, 5, g)
    lenses = [
        (((cols - eye[:, 0].view(-1, 1, 1)).abs() / (apart * width)) ** power)
        + (((rows - eye[:, 1].view(-1, 1, 1) - 0.08 * apart).abs() / (apart * height)) ** power)
        for eye in eyes.unbind(1)
    ]
    form, rim = torch.minimum(lenses[0], lenses[1]) ** (1 / power), _uniform(n, 0.08, 0.25, g)
    lens = torch.where(form < 1, _uniform(n, 0.6, 1.1, g), 1.0)
    return x * torch.where((form - 1).abs() < rim, _uniform(n, 0, 0.7, g), lens)[:, None]
