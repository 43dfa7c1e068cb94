"""Pictures of people over time: one photographed face, in the skin, light and proportions of many."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tools.make_demo import CORNER, POINTS, SCALE, SIZE
from tools.twin.expressions import Painter
from tools.twin.signals import Shown, slow

DRAWN, PICTURE, CROP = 300, 256, 112  # px: of drawings, pictures and aligned faces
LEVELS, OPENINGS = 4, 3  # drawings from neutral to an expression at its strongest, from a shut to an open mouth
BATCH = 32
REACH = 110 / (SIZE / 2)  # half the side of an aligned face, as a share of half a drawing


class Drawings:
    """An expression's strengths by openings of the mouth, drawn once and shared by all people of a twin."""

    def __init__(self, expressions: tuple[str, ...]) -> None:
        self._place = {name: number for number, name in enumerate(expressions)}
        self._all = _sheets(Painter(), expressions)

    def blended(self, shown: Shown, opening: np.ndarray, part: slice) -> Tensor:
        """(N, 3, D, D) the drawings of some frames, between the four nearest."""
        which = torch.tensor([self._place.get(name, 0) for name in shown.expression[part]])
        level, over = _between(shown.strength[part], LEVELS)
        gap, open_more = _between(opening[part], OPENINGS)
        low = self._all[which, level, gap].lerp(self._all[which, level, gap + 1], open_more)
        high = self._all[which, level + 1, gap].lerp(self._all[which, level + 1, gap + 1], open_more)
        return low.lerp_(high, over)


@dataclass(frozen=True)
class Person:
    """How someone looks, and how one moves."""

    zoom: tuple[float, float]  # of the drawing in x and y; negative in x for a mirrored face
    tint: tuple[float, float, float]  # of the light
    contrast: float
    from_left: float  # how much brighter the left side is
    pose: Tensor  # (T, 3) shift in x and y, as shares of half a picture, and turn (radians)

    @classmethod
    def drawn(cls, random: np.random.Generator, seconds: float, fps: int) -> "Person":
        """Anyone."""
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
        """(N, 2, 3) where points of the pictures of some frames lie in the drawing."""
        shift_x, shift_y, turn = self.pose[part].T
        x, y = self.zoom
        rows = [torch.stack([x * turn.cos(), -x * turn.sin(), shift_x], 1)]
        rows.append(torch.stack([y * turn.sin(), y * turn.cos(), shift_y], 1))
        return torch.stack(rows, 1)

    def aligned(self, count: int) -> Tensor:
        """(N, 2, 3) where points of the aligned faces lie in the drawing: eyes level, the face in the middle."""
        eyes = np.array(POINTS["eye_corners"]).mean(0)
        mouth = np.array(POINTS["corners"]).mean(0)
        centre = ((eyes + mouth) / 2 - CORNER) * SCALE / (SIZE / 2) - 1
        x, y = self.zoom
        view = [[REACH * np.sign(x) * abs(x / y), 0, centre[0]], [0, REACH, centre[1]]]
        return torch.tensor(view, dtype=torch.float32).expand(count, 2, 3)

    def lit(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 255] -> the same in this person's light, uint8."""
        across = 1 + self.from_left * torch.linspace(1, -1, pixels.shape[3])
        light = torch.tensor(self.tint)[:, None, None] * across * self.contrast
        return (pixels * light + 110 * (1 - self.contrast)).clamp_(0, 255).round_().byte()


def pictures(
    drawings: Drawings, person: Person, shown: Shown, opening: np.ndarray, aligned: bool = False
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(N, 256, 256, 3) pictures and (N, 112, 112, 3) aligned faces (none unless asked for), uint8 RGB, in order."""
    for start in range(0, len(opening), BATCH):
        part = slice(start, start + BATCH)
        drawn = drawings.blended(shown, opening, part)
        whole = person.lit(_seen(drawn, person.views(part), PICTURE))
        faces = person.lit(_seen(drawn, person.aligned(len(drawn)), CROP)) if aligned else whole[:0]
        yield whole.permute(0, 2, 3, 1).numpy(), faces.permute(0, 2, 3, 1).numpy()


def valence_shown(valence: np.ndarray) -> Shown:
    """A smile as wide, or a face as sad, as valence (T,) says."""
    return Shown(["happiness" if value > 0 else "sadness" for value in valence], np.abs(valence))


def _sheets(painter: Painter, expressions: tuple[str, ...]) -> Tensor:
    """(E, LEVELS, OPENINGS, 3, D, D); the neutral face, where all begin, is drawn once."""
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
    """The drawing before each value in [0, 1], and how far (N, 1, 1, 1) the value lies beyond it."""
    at = torch.from_numpy(np.clip(values, 0, 1) * (count - 1)).float()
    before = at.long().clamp(max=count - 2)
    return before, (at - before)[:, None, None, None]


def _seen(drawn: Tensor, view: Tensor, size: int) -> Tensor:
    grid = F.affine_grid(view, [len(drawn), 3, size, size], align_corners=False)
    return F.grid_sample(drawn, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
