"""Cover mouths and eyes of aligned faces: masks, sunglasses, hands and other things, and what looks like them.

A drawn face keeps its place; `visible` states which share of its mouth and of its eyes can still be seen.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy.spatial import ConvexHull

from avfer.models.face_measurer import LANDMARK_INDEX

# Points of MediaPipe's face mesh. The outline is that of the lower face, from the picture's left ear to the right one.
JAW = (234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454)
FOREHEAD = (127, 162, 21, 54, 103, 67, 109, 10, 338, 297, 332, 284, 251, 356)
LIPS = (61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181)
EYES = ((33, 159, 133, 145), (263, 386, 362, 374))
BRIDGE = (6, 197, 195, 5, 4)  # from between the eyes to the tip of the nose
PUPILS = (468, 473)
CHEEKS = ((58, 132), (288, 361))
FINE = 2  # pixels of a drawn mask for one of the crop


@dataclass(frozen=True, eq=False)
class Drawing:
    """A crop that is drawn on, and how much of each pixel is covered."""

    pixels: np.ndarray  # (S, S, 3) float64 in [0, 255]
    covered: np.ndarray  # (S, S) float64 in [0, 1]


def at(points: np.ndarray, *numbers: int) -> np.ndarray:
    """Return the points of the mesh with these numbers: (146, 2) -> (len(numbers), 2)."""
    return points[[LANDMARK_INDEX.index(number) for number in numbers]]


def visible(points: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """Return the share of the mouth and of the eyes that is not covered, in [0, 1]: (2,).

    points: (146, 2) px; covered: (S, S) in [0, 1].
    """
    side = len(covered)
    mouth = filled(side, hull(at(points, *LIPS)))
    eyes = [filled(side, hull(grown(at(points, *eye), 1.5))) for eye in EYES]
    return 1 - np.array([_mean(covered, mouth), np.mean([_mean(covered, eye) for eye in eyes])])


def _mean(values: np.ndarray, weights: np.ndarray) -> float:
    return float((values * weights).sum() / max(weights.sum(), 1e-6))


def hull(points: np.ndarray) -> np.ndarray:
    """Return the corners of the convex hull: (N, 2) -> (M, 2)."""
    return points[ConvexHull(points).vertices]


def grown(points: np.ndarray, factor: float) -> np.ndarray:
    """Return points moved away from their mean: (N, 2) -> (N, 2)."""
    return points.mean(0) + factor * (points - points.mean(0))


def filled(side: int, polygon: np.ndarray, blur: float = 0.0) -> np.ndarray:
    """Return how much of each pixel of a square picture a polygon covers: (M, 2) px -> (side, side) in [0, 1]."""
    canvas = Image.new("L", (side * FINE, side * FINE))
    ImageDraw.Draw(canvas).polygon([(x * FINE, y * FINE) for x, y in polygon], fill=255)
    small = canvas.resize((side, side), Image.Resampling.BOX)
    return np.asarray(small.filter(ImageFilter.GaussianBlur(blur)) if blur else small, np.float64) / 255


def colour_of(rng: np.random.Generator) -> np.ndarray:
    """Return the colour of a cloth: white, light blue, black or any other: (3,)."""
    kind = rng.integers(5)
    fixed = ((235, 235, 235), (150, 190, 215), (30, 30, 33), (90, 90, 90))
    base = np.array(fixed[kind], float) if kind < 4 else rng.uniform(0, 255, 3)
    return (base + rng.normal(0, 12, 3)).clip(0, 255)


def shade(side: int, colour: np.ndarray, rng: np.random.Generator, strength: float = 0.25) -> np.ndarray:
    """Return a surface of one colour with soft light, folds and grain: (3,) -> (side, side, 3)."""
    rows, cols = np.mgrid[0:side, 0:side] / side - 0.5
    angle, fold = rng.uniform(0, 2 * np.pi), rng.uniform(-0.4, 0.4)
    light = 1 + strength * rng.uniform(0.2, 1) * 2 * (np.cos(angle) * rows + np.sin(angle) * cols)
    waves = rng.uniform(0, 0.08) * np.sin(2 * np.pi * rng.uniform(4, 14) * (rows + fold * cols) + rng.uniform(0, 6))
    grain = rng.normal(0, rng.uniform(0, 6), (side, side, 1))
    return (colour * (light + waves)[..., None] + grain).clip(0, 255)


def skin(pixels: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the colour of a hand: that of a cheek, a little lighter or darker: (3,)."""
    x, y = at(points, *CHEEKS[rng.integers(2)]).mean(0).round().astype(int).clip(4, len(pixels) - 5)
    return pixels[y - 3 : y + 4, x - 3 : x + 4].mean((0, 1)) * rng.uniform(0.75, 1.25) * rng.normal(1, 0.03, 3)


def paint(drawing: Drawing, mask: np.ndarray, surface: np.ndarray) -> Drawing:
    """Return the drawing with a surface over it. mask: (S, S) in [0, 1]; surface: (S, S, 3) or (3,)."""
    pixels = drawing.pixels + mask[..., None] * (surface - drawing.pixels)
    return Drawing(pixels, 1 - (1 - drawing.covered) * (1 - mask))


def beside(drawing: Drawing, painted: Drawing) -> Drawing:
    """Return the pixels of `painted` without counting them as covered."""
    return Drawing(painted.pixels, drawing.covered)


def mask(drawing: Drawing, points: np.ndarray, rng: np.random.Generator) -> Drawing:
    """Cover the lower face with a mask whose upper edge crosses the nose, or leaves it free."""
    side = len(drawing.pixels)
    jaw, bridge = grown(at(points, *JAW), rng.uniform(0.98, 1.1)), at(points, *BRIDGE)
    top = bridge[rng.integers(1, len(BRIDGE))] if rng.uniform() < 0.85 else at(points, 0, 4).mean(0)
    cut = rng.integers(0, 4)
    jaw = jaw[cut : len(jaw) - cut]
    ends = (jaw[0] + rng.uniform(0.2, 0.7) * (top - jaw[0]), jaw[-1] + rng.uniform(0.2, 0.7) * (top - jaw[-1]))
    ends = [end + (0, rng.uniform(-1, 3)) for end in ends]
    shape = np.concatenate([jaw, ends[1][None], top[None], ends[0][None]])
    cover = filled(side, shape, rng.uniform(0.3, 1.2))
    return paint(drawing, cover, shade(side, colour_of(rng), rng))


def lenses(points: np.ndarray, rng: np.random.Generator, side: int, width: tuple[float, float]) -> np.ndarray:
    """Return the distance from the rim of the nearer lens, 1 at the rim and 0 in its middle: (side, side)."""
    eyes = at(points, *PUPILS)
    apart = max(float(np.linalg.norm(eyes[1] - eyes[0])), 8.0)
    a = rng.uniform(*width) * apart
    b = a * rng.uniform(0.65, 1.0)
    power = rng.uniform(2, 5)
    axis = (eyes[1] - eyes[0]) / apart
    rows, cols = np.mgrid[0:side, 0:side] + 0.5
    forms: list[np.ndarray] = []
    for eye in eyes:
        dx, dy = cols - eye[0], rows - eye[1] - rng.uniform(0, 0.12) * apart
        u, v = dx * axis[0] + dy * axis[1], dy * axis[0] - dx * axis[1]
        forms.append((np.abs(u / a) ** power + np.abs(v / b) ** power) ** (1 / power))
    return np.minimum(*forms)


def sunglasses(drawing: Drawing, points: np.ndarray, rng: np.random.Generator) -> Drawing:
    """Cover the eyes with dark or mirroring lenses and a rim."""
    side = len(drawing.pixels)
    form = lenses(points, rng, side, (0.36, 0.52))
    dense = rng.uniform(0.8, 1.0)
    cover = dense * ((1.06 - form) / 0.12).clip(0, 1)
    colour = rng.uniform(0, 60) * rng.normal(1, 0.15, 3) if rng.uniform() < 0.85 else rng.uniform(40, 200, 3)
    surface = shade(side, colour.clip(0, 255), rng, rng.choice([0.2, 1.0]))
    glasses = paint(drawing, cover, surface)
    rim = ((rng.uniform(0.04, 0.15) - np.abs(form - 1.05)) / 0.06).clip(0, 1)
    glasses = paint(glasses, rim, np.full(3, rng.uniform(0, 120)))
    left, right = at(points, *PUPILS)
    gap = (right - left) / 3
    bar = np.array([left + gap, right - gap, right - gap + (0, 2), left + gap + (0, 2)])
    return paint(glasses, filled(side, bar), np.full(3, rng.uniform(0, 120)))


def clear_glasses(drawing: Drawing, points: np.ndarray, rng: np.random.Generator) -> Drawing:
    """Put on glasses through which the eyes are visible."""
    side = len(drawing.pixels)
    form = lenses(points, rng, side, (0.34, 0.5))
    tint = rng.uniform(0, 0.3) * ((1.06 - form) / 0.12).clip(0, 1)
    rim = ((rng.uniform(0.03, 0.16) - np.abs(form - 1.05)) / 0.06).clip(0, 1) * rng.uniform(0.4, 1)
    glasses = paint(drawing, tint, np.full(3, rng.uniform(0, 255)))
    return beside(drawing, paint(glasses, rim, np.full(3, rng.uniform(0, 140))))


def beard(drawing: Drawing, points: np.ndarray, rng: np.random.Generator) -> Drawing:
    """Grow a beard about the lips, a moustache, or both; the lips stay free."""
    side = len(drawing.pixels)
    nose, lips = at(points, 4)[0], at(points, *LIPS)
    jaw = grown(at(points, *JAW[2:-2]), rng.uniform(0.9, 1.03))
    low = at(points, 17, 152).mean(0)
    shapes = [np.concatenate([jaw, (nose + 0.6 * (lips[3] - nose))[None]])] if rng.uniform() < 0.6 else []
    if not shapes or rng.uniform() < 0.7:
        shapes.append(np.array([nose + 0.5 * (lips[3] - nose), lips[6] + (1, 0), lips[3], lips[0] - (1, 0)]))
    if rng.uniform() < 0.3:
        shapes.append(np.array([lips[9] + (-4, 1), lips[9] + (4, 1), low + (4, 3), low + (-4, 3)]))
    hair = np.max([filled(side, shape, 1.0) for shape in shapes], 0)
    hair *= 1 - filled(side, grown(hull(lips), rng.uniform(0.8, 1.0)), 0.7)
    hair *= rng.uniform(0.3, 0.9) * (1 + 0.4 * rng.normal(0, 1, hair.shape)).clip(0, 1.2)
    colour = np.full(3, rng.choice([20.0, 40.0, 90.0, 190.0])) * rng.normal(1, 0.1, 3)
    return beside(drawing, paint(drawing, hair.clip(0, 1), colour.clip(0, 255)))


def fingers(side: int, where: np.ndarray, size: float, rng: np.random.Generator) -> np.ndarray:
    """Return how much of each pixel is covered by fingers side by side and a palm: (side, side).

    where: (2,) px, middle of the fingers; size: px, length of a finger.
    """
    angle, count = rng.uniform(0, 2 * np.pi), int(rng.integers(1, 5))
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    wide = size * rng.uniform(0.16, 0.26)
    rows, cols = np.mgrid[0:side, 0:side] + 0.5
    cover = np.zeros((side, side))
    for k in range(count):
        start = where + across * (k - (count - 1) / 2) * wide * 2.1 - along * size * rng.uniform(0.4, 0.6)
        dx, dy = cols - start[0], rows - start[1]
        u = (dx * along[0] + dy * along[1]).clip(0, size * 2)
        far = np.hypot(dx - u * along[0], dy - u * along[1])
        cover = np.maximum(cover, ((wide - far) / 1.2 + 0.5).clip(0, 1) * (1 - 0.15 * (far / wide > 0.85)))
    return cover


def hand(drawing: Drawing, points: np.ndarray, rng: np.random.Generator, where: np.ndarray, size: float) -> Drawing:
    """Cover a place with a hand of the colour of the face."""
    side = len(drawing.pixels)
    cover = fingers(side, where, size, rng)
    lit = shade(side, skin(drawing.pixels, points, rng).clip(0, 255), rng, 0.4)
    edge = np.asarray(Image.fromarray((255 * cover).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1.5))) / 255.0
    return paint(drawing, cover, lit * (0.55 + 0.45 * edge)[..., None])


def thing(drawing: Drawing, rng: np.random.Generator, where: np.ndarray, size: float, texture: np.ndarray) -> Drawing:
    """Cover a place with an ellipse or a rectangle, of one colour or cut from another picture."""
    side = len(drawing.pixels)
    rows, cols = np.mgrid[0:side, 0:side] + 0.5
    angle, power = rng.uniform(0, np.pi), rng.choice([2.0, 8.0])
    dx, dy = cols - where[0], rows - where[1]
    u, v = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    a, b = size * rng.uniform(0.5, 1.0), size * rng.uniform(0.35, 0.8)
    form = (np.abs(u / a) ** power + np.abs(v / b) ** power) ** (1 / power)
    surface = shade(side, colour_of(rng), rng, 0.5)
    if rng.uniform() < 0.5:
        surface = np.rot90(np.roll(texture, rng.integers(0, side, 2), (0, 1)), int(rng.integers(4))).astype(float)
    return paint(drawing, ((1.05 - form) / 0.1).clip(0, 1), surface)


def cover(
    pixels: np.ndarray, points: np.ndarray, kind: str, rng: np.random.Generator, texture: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return a face with something drawn over it, and the visible shares of mouth and eyes.

    pixels: (S, S, 3) uint8; points: (146, 2) px; kind: of KINDS; texture: (S, S, 3) uint8, another picture
    -> (S, S, 3) uint8, (2,) float64.
    """
    drawing = Drawing(pixels.astype(np.float64), np.zeros(pixels.shape[:2]))
    eyes = at(points, *PUPILS)
    apart = max(float(np.linalg.norm(eyes[1] - eyes[0])), 8.0)
    lips, brow = at(points, *LIPS).mean(0), at(points, *FOREHEAD).mean(0)
    aside = at(points, *CHEEKS[rng.integers(2)]).mean(0)
    jitter = rng.normal(0, 0.12 * apart, 2)
    one = eyes[rng.integers(2)] if rng.uniform() < 0.5 else eyes.mean(0)
    draw: dict[str, Callable[[], Drawing]] = {
        "plain": lambda: drawing,
        "mask": lambda: mask(drawing, points, rng),
        "sunglasses": lambda: sunglasses(drawing, points, rng),
        "hand on mouth": lambda: hand(drawing, points, rng, lips + jitter, apart * rng.uniform(0.9, 1.5)),
        "hand on eyes": lambda: hand(drawing, points, rng, one + jitter, apart * rng.uniform(0.9, 1.5)),
        "thing on mouth": lambda: thing(drawing, rng, lips + jitter, apart * rng.uniform(0.5, 1.0), texture),
        "thing on eyes": lambda: thing(drawing, rng, one + jitter, apart * rng.uniform(0.4, 1.2), texture),
        "thing elsewhere": lambda: thing(
            drawing, rng, (brow if rng.uniform() < 0.5 else aside) + jitter, apart * rng.uniform(0.2, 0.5), texture
        ),
        "hand on cheek": lambda: hand(drawing, points, rng, aside + jitter, apart * rng.uniform(0.4, 0.9)),
        "glasses": lambda: clear_glasses(drawing, points, rng),
        "beard": lambda: beard(drawing, points, rng),
    }
    drawn = draw[kind]()
    return drawn.pixels.clip(0, 255).round().astype(np.uint8), visible(points, drawn.covered)


KINDS = (
    *("plain", "mask", "sunglasses", "hand on mouth", "hand on eyes", "thing on mouth", "thing on eyes"),
    *("thing elsewhere", "hand on cheek", "glasses", "beard"),
)
