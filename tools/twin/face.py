"""Frames of people over time, drawn from one photographed face with varying proportions, light and pose."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tools.demo_face import CORNER, POINTS, SCALE, SIZE
from tools.twin.expressions import Painter
from tools.twin.signals import Shown, slow

DRAWN, PICTURE, CROP = 300, 256, 112  # px, side of drawings, frames and aligned faces
LEVELS, OPENINGS = 4, 3  # drawings from neutral to full strength, from a closed to an open mouth
BATCH = 16  # frames drawn at once; the memory of more is given back to the system after each batch, at twice the time
REACH = 110 / (SIZE / 2)  # half the side of an aligned face, as a share of half a drawing


class Drawings:
    """Drawings of each expression by strength and opening of the mouth, made once for all people of a twin."""

    def __init__(self, expressions: tuple[str, ...]) -> None:
        self._index = {name: number for number, name in enumerate(expressions)}
        self._all = _sheets(Painter(), expressions)

    def blended(self, shown: Shown, opening: np.ndarray, part: slice) -> Tensor:
        """Interpolate the drawings of the frames of a slice between the four nearest: -> (N, 3, DRAWN, DRAWN).

        opening: (T,) of the mouth, in [0, 1].
        """
        which = torch.tensor([self._index.get(name, 0) for name in shown.expression[part]])
        level, over = _between(shown.strength[part], LEVELS)
        gap, open_more = _between(opening[part], OPENINGS)
        low = self._all[which, level, gap].lerp(self._all[which, level, gap + 1], open_more)
        high = self._all[which, level + 1, gap].lerp(self._all[which, level + 1, gap + 1], open_more)
        return low.lerp_(high, over)


@dataclass(frozen=True)
class Person:
    """Appearance and pose of one person over time."""

    zoom: tuple[float, float]  # of the drawing in x and y; negative in x for a mirrored face
    tint: tuple[float, float, float]  # factors of red, green and blue
    contrast: float
    from_left: float  # how much brighter the left side is than the middle, as a share
    pose: Tensor  # (T, 3) shift in x and y, as shares of half a picture, and rotation (radians)

    @classmethod
    def drawn(cls, random: np.random.Generator, seconds: float, fps: int) -> "Person":
        """Draw a person at random."""
        size = random.uniform(0.85, 1.0)
        side = random.choice([-1.0, 1.0])
        pose = np.stack([slow(random, seconds, fps) for _ in range(3)], 1) * [0.04, 0.03, 0.035]
        return cls(
            zoom=(float(side * size * random.uniform(0.95, 1.05)), float(size)),
            tint=tuple(float(x) for x in random.uniform(0.8, 1.0) * random.uniform(0.9, 1.1, 3)),  # pyright: ignore[reportArgumentType]
            contrast=float(random.uniform(0.85, 1.1)),
            from_left=float(random.uniform(-0.15, 0.15)),
            pose=torch.from_numpy(pose).float(),
        )

    def views(self, part: slice) -> Tensor:
        """Return affine maps from points of the frames of a slice to points of the drawing: (N, 2, 3)."""
        shift_x, shift_y, turn = self.pose[part].T
        x, y = self.zoom
        rows = [torch.stack([x * turn.cos(), -x * turn.sin(), shift_x], 1)]
        rows.append(torch.stack([y * turn.sin(), y * turn.cos(), shift_y], 1))
        return torch.stack(rows, 1)

    def aligned(self, count: int) -> Tensor:
        """Return affine maps from points of aligned faces (eyes level, centred) to the drawing: (N, 2, 3)."""
        eyes = np.array(POINTS["eye_corners"]).mean(0)
        mouth = np.array(POINTS["corners"]).mean(0)
        centre = ((eyes + mouth) / 2 - CORNER) * SCALE / (SIZE / 2) - 1
        x, y = self.zoom
        view = [[REACH * np.sign(x) * abs(x / y), 0, centre[0]], [0, REACH, centre[1]]]
        return torch.tensor(view, dtype=torch.float32).expand(count, 2, 3)

    def lit(self, pixels: Tensor) -> Tensor:
        """Apply the light of this person: (N, 3, H, W) float32 in [0, 255] -> (N, 3, H, W) uint8."""
        across = 1 + self.from_left * torch.linspace(1, -1, pixels.shape[3])
        light = torch.tensor(self.tint)[:, None, None] * across * self.contrast
        return (pixels * light + 110 * (1 - self.contrast)).clamp_(0, 255).round_().byte()


def draw_frames(
    drawings: Drawings, person: Person, shown: Shown, opening: np.ndarray, aligned: bool = False
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield batches of frames, (N, 256, 256, 3), and aligned faces, (N, 112, 112, 3) or none, uint8 RGB, in order.

    opening: (T,) of the mouth, in [0, 1]; aligned: whether to draw the aligned faces.
    """
    for start in range(0, len(opening), BATCH):
        part = slice(start, start + BATCH)
        drawn = drawings.blended(shown, opening, part)
        whole = person.lit(_warped(drawn, person.views(part), PICTURE))
        faces = person.lit(_warped(drawn, person.aligned(len(drawn)), CROP)) if aligned else whole[:0]
        yield whole.permute(0, 2, 3, 1).numpy(), faces.permute(0, 2, 3, 1).numpy()


def valence_shown(valence: np.ndarray) -> Shown:
    """Return the expressions that show valence, (T,) in [-1, 1]: happiness if positive, else sadness, by strength."""
    return Shown(["happiness" if value > 0 else "sadness" for value in valence], np.abs(valence))


def _sheets(painter: Painter, expressions: tuple[str, ...]) -> Tensor:
    """Return all drawings: (E, LEVELS, OPENINGS, 3, DRAWN, DRAWN); strength 0 is the same neutral face for all."""
    strengths, openings = np.linspace(0, 1, LEVELS)[1:], np.linspace(0, 1, OPENINGS)
    neutral = [painter.draw("neutral", 0.0, float(opening)) for opening in openings]
    sheets: list[Tensor] = []
    for name in expressions:
        drawn = [
            painter.draw(name, float(strength), float(opening)) for strength, opening in product(strengths, openings)
        ]
        sheet = torch.stack([*neutral, *drawn])
        sheets.append(F.interpolate(sheet, (DRAWN, DRAWN), mode="bilinear", antialias=True, align_corners=False))
    return torch.stack(sheets).unflatten(1, (LEVELS, OPENINGS))


def _between(values: np.ndarray, count: int) -> tuple[Tensor, Tensor]:
    """Return the index of the drawing below each value in [0, 1], (N,), and the weight of the next, (N, 1, 1, 1)."""
    at = torch.from_numpy(np.clip(values, 0, 1) * (count - 1)).float()
    before = at.long().clamp(max=count - 2)
    return before, (at - before)[:, None, None, None]


def _warped(drawn: Tensor, view: Tensor, size: int) -> Tensor:
    """Sample drawings, (N, 3, D, D), through affine maps, (N, 2, 3): -> (N, 3, size, size)."""
    grid = F.affine_grid(view, [len(drawn), 3, size, size], align_corners=False)
    return F.grid_sample(drawn, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
