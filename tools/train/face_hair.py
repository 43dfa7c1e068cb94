"""Draw moustaches and beards on aligned faces, and change the colours of lips, teeth and skin; landmarks stay.

A dark upper lip below a moustache looks like an open mouth, and photographs of it are rare. What is drawn is hair:
strands of one colour with gaps, along curves that the landmarks of the lips, the nose and the jaw give.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tools.train.face_occlusions import CHEEKS, FOREHEAD, JAW, at, filled, grown

# Points of the face mesh, from the picture's left to its right.
UPPER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)  # outer edge of the upper lip
UPPER_INNER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)  # outer edge of the lower lip
LOWER_INNER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
TIP, CHIN = 1, 152
NOSE = 0.4  # share of the way from the tip of the nose to the upper lip at which the nose ends

# Colours of hair; the first DARK ones are drawn more often.
HAIR = (
    (12, 10, 9),
    (28, 22, 20),
    (45, 33, 26),
    (70, 48, 34),
    (95, 65, 42),
    (150, 115, 80),
    (150, 148, 145),
    (215,) * 3,
)
DARK = 3


def strands(side: int, rng: np.random.Generator, middle: np.ndarray) -> np.ndarray:
    """Return how dense hair is at each pixel, 0 on average: strands run outward and down from `middle`.

    middle: (2,) px -> (side, side), standard deviation 1.
    """
    noise = rng.standard_normal((side, side), dtype=np.float32)
    length = int(rng.integers(3, 7))
    noise = np.asarray(sum(np.roll(noise, k, 0) for k in range(length)))
    rows, cols = np.mgrid[0:side, 0:side].astype(np.float32)
    x, y = cols - middle[0], rows - middle[1]
    angle = rng.uniform(0.2, 1.2) * (x / (0.1 * side)).clip(-1, 1)  # 0 is down
    cosine, sine = np.cos(angle), np.sin(angle)
    along, across = y * cosine + x * sine, x * cosine - y * sine
    drawn = noise[along.round().astype(int) % side, across.round().astype(int) % side]
    for axis in (0, 1):
        drawn = 0.5 * drawn + 0.25 * (np.roll(drawn, 1, axis) + np.roll(drawn, -1, axis))
    return drawn / max(float(drawn.std()), 1e-6)


def moustache(points: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the outlines of a moustache, which may reach down beside the mouth or cover a part of the upper lip.

    points: (146, 2) px -> outlines (M, 2).
    """
    upper, inner, tip = at(points, *UPPER), at(points, *UPPER_INNER), at(points, TIP)[0]
    nose = tip + NOSE * (upper[5] - tip)
    s = np.linspace(-1, 1, len(UPPER))
    over = rng.uniform(-0.1, 0.8) if rng.uniform() < 0.8 else -0.3  # of the upper lip's height
    low = upper + over * (inner - upper)
    high = rng.uniform(0.35, 1.0) * (1 - rng.uniform(0.3, 1.0) * np.abs(s) ** rng.uniform(1, 3))
    if rng.uniform() < 0.3:
        high *= 1 - rng.uniform(0.3, 0.9) * np.exp(-((s / 0.15) ** 2))  # parted in the middle
    top = upper + high[:, None] * (nose - upper[5])
    ends = [upper[k] + rng.uniform(-0.05, 0.3) * (upper[k] - upper[5]) + (0, rng.uniform(-1, 3)) for k in (0, -1)]
    narrow = int(rng.integers(1, 4)) if rng.uniform() < 0.15 else 0  # a short moustache ends above the lip
    keep = slice(narrow, len(UPPER) - narrow)
    around = [low[keep], top[keep][::-1]] if narrow else [ends[0][None], low, ends[1][None], top[::-1]]
    shapes = [np.concatenate(around)]
    if rng.uniform() < 0.4 and not narrow:
        shapes += downward(points, rng, rng.uniform(0.2, 1.0))
    return shapes


def downward(points: np.ndarray, rng: np.random.Generator, length: float) -> list[np.ndarray]:
    """Return the outlines of two stripes from the corners of the mouth towards the chin. length: share of the way."""
    corners, chin = at(points, UPPER[0], UPPER[-1]), at(points, CHIN)[0]
    wide = rng.uniform(0.12, 0.25) * np.linalg.norm(corners[1] - corners[0])
    shapes: list[np.ndarray] = []
    for corner, out in zip(corners, (-1.0, 1.0), strict=True):
        start, across = corner + (out * wide * 0.6, -wide), np.array([wide, 0])
        end = corner + length * np.array([0.3 * (chin[0] - corner[0]), 0.9 * (chin[1] - corner[1])]) + (out * wide, 0)
        shapes.append(np.array([start - across, start + 0.4 * across, end + 0.7 * across, end - 0.7 * across]))
    return shapes


def chin_beard(points: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the outlines of a goatee or of hair below the lower lip."""
    lip, chin = at(points, LOWER[5], CHIN)
    width = np.linalg.norm(np.subtract(*at(points, UPPER[0], UPPER[-1])))
    start, end = (lip + rng.uniform(*shares) * (chin - lip) for shares in ((0.05, 0.5), (0.6, 1.25)))
    top, low = rng.uniform(0.08, 0.5) * width, rng.uniform(0.1, 0.6) * width
    return [np.array([start - (top, 0), start + (top, 0), end + (low, 0), end + (0, 2), end - (low, 0)])]


def full_beard(points: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the outline of a beard along the whole jaw, up to the lips or a line below them."""
    cut = int(rng.integers(0, 5))
    jaw = grown(at(points, *JAW), rng.uniform(0.95, 1.06))[cut : len(JAW) - cut]
    lower, upper = at(points, *LOWER), at(points, *UPPER)
    inside = lower + rng.uniform(0, 0.5) * (at(points, CHIN)[0] - lower[5])
    inside[0], inside[-1] = upper[0] - (rng.uniform(1, 4), 0), upper[-1] + (rng.uniform(1, 4), 0)
    return [np.concatenate([jaw, inside[::-1]])]


def outlines(points: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the outlines of a moustache, of a beard on the chin or along the jaw, or of several of them."""
    shapes = moustache(points, rng) if rng.uniform() < 0.93 else []
    kind = rng.uniform()
    if kind < 0.3:
        shapes += chin_beard(points, rng)
        shapes += downward(points, rng, 1.0) if rng.uniform() < 0.5 else []
    elif kind < 0.5 or not shapes:
        shapes += full_beard(points, rng)
    return shapes


def hair(pixels: np.ndarray, points: np.ndarray, mouth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the picture with hair about the mouth. pixels: (S, S, 3); mouth: (S, S), where no hair can be."""
    side = len(pixels)
    region = union(side, outlines(points, rng), rng.uniform(0.6, 1.6))
    texture = strands(side, rng, at(points, TIP)[0])
    stubble = rng.uniform() < 0.2
    dense = rng.uniform(0.15, 0.5) if stubble else rng.uniform(0.5, 1.0)
    cover = (region * (dense + rng.uniform(0.05, 0.25) * texture)).clip(0, rng.uniform(0.75, 1.0)) * (1 - mouth)
    kind = int(rng.integers(DARK)) if rng.uniform() < 0.6 else int(rng.integers(len(HAIR)))
    colour = np.array(HAIR[kind]) * rng.normal(1, 0.15) * rng.normal(1, 0.04, 3)
    surface = colour * (1 + rng.uniform(0.05, 0.25) * texture[..., None]) + rng.uniform(0, 6) * texture[..., None]
    return pixels + cover[..., None] * (surface.clip(0, 255) - pixels)


def union(side: int, shapes: Sequence[np.ndarray], blur: float) -> np.ndarray:
    """Return how much of each pixel of a square picture is covered by one of several outlines: (side, side)."""
    canvas = Image.new("L", (side, side))
    draw = ImageDraw.Draw(canvas)
    for shape in shapes:
        draw.polygon([(x - 0.5, y - 0.5) for x, y in shape.tolist()], fill=255)
    return np.asarray(canvas.filter(ImageFilter.GaussianBlur(blur)), np.float32) / 255


def skin_colour(pixels: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the mean colour of a cheek, the lighter one: (3,)."""
    sides = [at(points, *cheek).mean(0).round().astype(int).clip(4, len(pixels) - 5) for cheek in CHEEKS]
    means = [pixels[y - 3 : y + 4, x - 3 : x + 4].mean((0, 1)) for x, y in sides]
    return max(means, key=lambda colour: float(colour.sum()))


def toned(
    pixels: np.ndarray, points: np.ndarray, skin: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the picture with darker skin, and the new colour of the skin; lighter pixels (eyes, teeth) change less."""
    head = np.concatenate([at(points, *JAW), at(points, *FOREHEAD)[::-1]])
    factor = rng.uniform(0.3, 0.85) * np.array([1.05, 0.97, 0.9], np.float32) ** np.float32(rng.uniform(0, 2))
    bright = np.float32(max(float(skin.mean()), 1.0) * rng.uniform(1.2, 1.8))
    keep = ((pixels.mean(2, keepdims=True) / bright - 1) * 2).clip(0, np.float32(rng.uniform(0, 0.6)))
    share = union(len(pixels), [grown(head, rng.uniform(1.0, 1.15))], rng.uniform(2, 5))[..., None] * (1 - keep)
    if rng.uniform() < 0.3:
        share = 1 - keep
    return pixels * (1 - share * (1 - factor)), skin * factor


def lips(
    pixels: np.ndarray, parts: tuple[np.ndarray, np.ndarray], skin: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return the picture with lips of other colours, close to the skin or darker. parts: upper and lower, (S, S)."""
    both = rng.uniform(0.6, 1.1)
    darker = rng.uniform(0.4, 1.0) if rng.uniform() < 0.6 else 1.0  # the upper lip is in shade
    for part, shade, share in zip(parts, (both * darker, both), rng.uniform(0.2, 0.95, 2), strict=True):
        if part.sum() < 1:
            continue
        mean = (pixels * part[..., None]).sum((0, 1)) / part.sum()
        tint = np.array([1.0, rng.uniform(0.75, 1.0), rng.uniform(0.75, 1.0)])
        wanted = skin * shade * tint + rng.uniform(0.4, 1.0) * (pixels - mean)
        pixels = pixels + share * part[..., None] * (wanted - pixels)
    return pixels


def teeth(pixels: np.ndarray, inside: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the picture with lighter or darker teeth and mouth. inside: (S, S), between the lips."""
    gain, light = rng.uniform(0.5, 1.5), rng.uniform(0, 60) * (rng.uniform() < 0.3)
    return pixels + inside[..., None] * (pixels * (gain - 1) + light)


def lower_face(points: np.ndarray, side: int) -> tuple[slice, slice]:
    """Return rows and columns of a square about mouth, chin and jaw, within a picture of `side` px."""
    low = at(points, *JAW, TIP).min(0)
    size = min(side, int(np.ptp(at(points, *JAW, TIP), axis=0).max()) + 8)
    x, y = (low - 4).astype(int).clip(0, side - size)
    return slice(y, y + size), slice(x, x + size)


def change(pixels: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a face with hair about the mouth, other lips, teeth or skin; at least one of them changes.

    pixels: (S, S, 3) uint8; points: (146, 2) px of this picture -> (S, S, 3) uint8. Grey pictures stay grey.
    """
    whole = pixels.astype(np.float32)
    drawn = rng.uniform(size=4) < (0.4, 0.6, 0.3, 0.75)  # skin, lips, teeth, hair
    skin = skin_colour(whole, points)
    if drawn[0]:
        whole, skin = toned(whole, points, skin, rng)
    rows, cols = lower_face(points, len(pixels))
    points = points - (cols.start, rows.start)
    part = whole[rows, cols]
    edges = [at(points, *numbers) for numbers in (UPPER, UPPER_INNER, LOWER_INNER, LOWER)]
    upper, inside, lower = (
        filled(len(part), np.concatenate([a, b[::-1]])).astype(np.float32) for a, b in pairwise(edges)
    )
    if drawn[1]:
        part = lips(part, (upper, lower), skin, rng)
    if drawn[2]:
        part = teeth(part, inside, rng)
    if drawn[3] or not drawn.any():
        part = hair(part, points, np.maximum(inside, lower), rng)
    whole[rows, cols] = part
    if (pixels == pixels[..., :1]).all():
        whole[:] = whole.mean(2, keepdims=True)
    return whole.clip(0, 255).round().astype(np.uint8)
