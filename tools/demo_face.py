"""The face of the demo clip: a photograph that speaks, smiles and is surprised.

The picture is scikit-image's public-domain portrait of Eileen Collins (NASA). Hand-placed points of the face move from
expression to expression, and thin-plate splines warp the skin between them. The head is drawn twice, once with the
upper and once with the lower lip, and joined along the mouth, so that the mouth can open.
"""

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFilter
from scipy.interpolate import CubicSpline, RBFInterpolator
from skimage.restoration import inpaint_biharmonic

CORNER, SCALE, SIZE = np.array([104.0, 4.0]), 2, 480  # px, corner of the crop; its enlargement; px, side of a frame
GRID = 4  # px of a frame, step of the grid on which movement is interpolated
NECK = np.array([226.0, 190.0])  # px of the portrait, centre of rotation of the head

# Points of the portrait (px), which shows a smile, and their displacements for a neutral face, surprise, open jaw.
POINTS: dict[str, list[tuple[float, float]]] = {
    "brows": [(190, 90.4), (198, 89), (206, 90.2), (213.7, 93), (238, 93.7), (246, 92.2), (253.7, 92.2), (263, 96)],
    "upper_lids": [(197.5, 98.2), (202.5, 97.2), (208, 98.8), (241, 101), (246.9, 99.7), (253, 100.6)],
    "lower_lids": [(198.5, 103.8), (203.1, 104.7), (208, 104.6), (241, 107), (246.9, 107.2), (253, 106)],
    "eye_corners": [(193.7, 100.6), (211.9, 103.1), (236.2, 104.7), (258.7, 103.7)],
    "nose": [(222, 112), (213, 128.5), (223, 130), (234, 130), (223.5, 124)],
    "cheeks": [(193, 122), (256, 125), (197, 134), (251, 137)],
    "corners": [(203, 140), (244.3, 141.3)],
    "upper_outer": [(210, 138.6), (217, 138.6), (224.5, 140), (231, 139.6), (238, 139.6)],
    "upper_inner": [(209, 141.5), (216, 143.2), (224, 143.6), (231.5, 143.3), (239, 142)],
    "lower_inner": [(209, 145.2), (216, 149.2), (224, 149.8), (231.5, 148.8), (239, 144.8)],
    "lower_outer": [(209, 150.3), (216, 154.8), (224, 155.8), (231.5, 154.6), (239, 150)],
    "chin": [(208, 172), (224, 178), (240, 172), (224, 165)],
    "jaw": [(184.5, 150), (194, 164), (265, 150), (255, 163)],
    "head": [(183, 118), (267, 124), (186, 80), (225, 78), (264, 86), (154, 80), (205, 25), (262, 28), (300, 85)],
    "still": [(186, 182), (250, 188), (130, 150), (320, 150), (160, 180), (290, 190), (225, 215), (225, 240)],
}
MOVES: dict[str, dict[str, list[tuple[float, float]]]] = {
    "neutral": {
        "brows": [(0, 0.5)] * 8,
        "upper_lids": [(0, 0.4)] * 6,
        "lower_lids": [(0, 1.0)] * 6,
        "cheeks": [(0.5, 1.8), (-0.5, 1.8), (2.2, 2.8), (-2.2, 2.8)],
        "corners": [(7.2, 8.0), (-7.2, 7.6)],
        "upper_outer": [(3.6, 4.3), (1.6, 1.7), (0, 0.5), (-1.6, 1.5), (-3.6, 3.9)],
        "upper_inner": [(3.6, 5.0), (1.6, 2.4), (0, 1.4), (-1.6, 2.3), (-3.6, 4.6)],
        "lower_inner": [(3.6, 1.3), (1.6, -3.6), (0, -4.8), (-1.6, -3.2), (-3.6, 1.8)],
        "lower_outer": [(3.2, 0.8), (1.4, -2.4), (0, -3.2), (-1.4, -2.2), (-3.2, 1.0)],
        "chin": [(0, -1.2)] * 4,
    },
    "surprise": {
        "brows": [(0, -4.4), (0, -5.8), (0, -6.2), (0, -5.6), (0, -5.6), (0, -6.2), (0, -5.8), (0, -4.4)],
        "upper_lids": [(0, -1.7), (0, -2.1), (0, -1.7)] * 2,
        "lower_lids": [(0, 1.0)] * 6,
        "cheeks": [(0.5, 1.6), (-0.5, 1.6), (3, 4.0), (-3, 4.0)],
        "corners": [(9.0, 11.5), (-9.0, 11.0)],
        "upper_outer": [(5.6, 3.6), (2.4, 0.8), (0, -0.4), (-2.4, 0.6), (-5.6, 3.2)],
        "upper_inner": [(6.0, 5.8), (2.6, 1.8), (0, 0.6), (-2.6, 1.6), (-6.0, 5.4)],
        "lower_inner": [(5.6, 9.8), (2.6, 7.8), (0, 7.6), (-2.6, 8.0), (-5.6, 10.0)],
        "lower_outer": [(4.8, 9.4), (2.4, 8.2), (0, 8.0), (-2.4, 8.4), (-4.8, 9.6)],
        "chin": [(0, 7.6), (0, 7.2), (0, 7.6), (0, 8.0)],
        "jaw": [(0.6, 1.0), (1.2, 3.8), (-0.6, 1.0), (-1.2, 3.8)],
    },
    "open": {
        "corners": [(0.6, 0.6), (-0.6, 0.6)],
        "upper_outer": [(0, -0.3)] * 5,
        "upper_inner": [(0, -0.3)] * 5,
        "lower_inner": [(-0.2, 2.9), (0, 4.5), (0, 4.8), (0, 4.5), (0.2, 2.9)],
        "lower_outer": [(0, 3.3), (0, 4.5), (0, 4.8), (0, 4.5), (0, 3.3)],
        "chin": [(0, 4.2)] * 4,
        "jaw": [(0, 0.6), (0, 2.0), (0, 0.6), (0, 2.0)],
    },
}
TEETH = [(206, 143), (211, 146.8), (217, 149), (224, 149.6), (231, 148.8), (237, 146), (242, 142.6)]  # lower edge
FOLDS = (
    [(208, 123), (204, 127), (199, 132), (196, 136), (197, 139)],
    [(238, 125), (243, 130), (247, 135), (250.5, 140), (249, 144)],
    [(199, 137), (199, 142), (203, 147)],
    [(248, 140), (248, 146), (244, 151)],
)
# Light on the raised cheeks and shade at the corners of the mouth: (x, y, grey levels to add, size).
SHADING = (
    *((200, 120, -26, 6), (250, 121, -26, 6), (200, 140, 24, 5)),
    *((249, 141, 24, 5), (225, 152, -14, 8), (249, 151, -16, 5)),
)
LEFT_EYE, RIGHT_EYE = (slice(0, 3), slice(0, 2)), (slice(3, 6), slice(2, 4))  # slices of the lids, of the eye corners
BLINKS = (0.55, 1.75, 3.4, 4.95)  # s
LOWER, UPPER = {"lower_inner", "lower_outer", "chin"}, {"upper_inner", "upper_outer"}
BORDER = [
    CORNER + SIZE / SCALE * np.array(p)
    for p in [(0, 0), (0.5, 0), (1, 0), (0, 0.5), (1, 0.5), (0, 1), (0.5, 1), (1, 1)]
]


def relaxed(picture: np.ndarray) -> np.ndarray:
    """Return the portrait without the folds that a smile makes beside nose and mouth: (H, W, 3) uint8 -> (H, W, 3)."""
    folds = Image.new("L", picture.shape[1::-1])
    pen = ImageDraw.Draw(folds)
    for fold in FOLDS:
        pen.line(fold, fill=255, width=5, joint="curve")
    mask = np.asarray(folds) > 0
    filled = inpaint_biharmonic(picture, mask, channel_axis=2, split_into_regions=True) * 255
    share = np.asarray(folds.filter(ImageFilter.GaussianBlur(1)), float)[..., None] / 255
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    light = sum(grey * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * size**2)) for cx, cy, grey, size in SHADING)
    return (picture * (1 - share) + filled * share + light[..., None]).clip(0, 255).astype(np.uint8)


def portrait(picture: np.ndarray) -> torch.Tensor:
    """Crop and enlarge head and shoulders: (H, W, 3) uint8 -> (1, 3, S, S) float32 in [0, 255]."""
    box = (*CORNER.astype(int), *(CORNER + SIZE // SCALE).astype(int))
    picture = Image.fromarray(picture).crop(box).resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    picture = picture.filter(ImageFilter.UnsharpMask(1.5, 60, 2))
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float()


def bump(t: float, centre: float, width: float) -> float:
    """Return a Gaussian bump with height 1."""
    return float(np.exp(-(((t - centre) / width) ** 2)))


def ramp(t: float, start: float, stop: float) -> float:
    """Return a smooth step from 0 at `start` to 1 at `stop`."""
    x = min(max((t - start) / (stop - start), 0.0), 1.0)
    return x * x * (3 - 2 * x)


def weights(t: float, loudness: float) -> dict[str, float]:
    """Return the weight of each displacement at a time (s): neutral first, then the smile, then surprise."""
    surprise = ramp(t, 3.45, 3.75) * (1 - 0.25 * ramp(t, 4.7, 5.1))
    smile = ramp(t, 1.6, 2.1) * (1 - ramp(t, 3.4, 3.7))
    return {"neutral": (1 - smile) * (1 - surprise), "surprise": surprise, "open": loudness}


def turned(points: np.ndarray, t: float) -> np.ndarray:
    """Apply the small motion of the head at a time (s): (n, 2) px -> (n, 2) px."""
    lively = 0.5 + ramp(t, 1.6, 2.2)
    angle = np.deg2rad(lively * 1.3 * np.sin(2.1 * t + 0.4) - 1.5 * ramp(t, 3.4, 3.8))
    shift = np.array([1.6 * np.sin(1.7 * t), 0.9 * lively * np.sin(3.3 * t) - 1.5 * ramp(t, 3.4, 3.8)])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (points - NECK) @ turn.T + NECK + shift


def moved(t: float, loudness: float) -> dict[str, np.ndarray]:
    """Return the position of every point at a time (s), by the name of its group: (n, 2) px each."""
    shares, places = weights(t, loudness), {}
    for name, points in POINTS.items():
        place = np.array(points, float)
        for move, share in shares.items():
            place = place + share * np.array(MOVES[move].get(name, [(0.0, 0.0)] * len(points)))
        places[name] = place if name == "still" else turned(place, t)
    # The lips cannot pass through each other.
    gap = 0.3
    places["lower_inner"][:, 1] = np.maximum(places["lower_inner"][:, 1], places["upper_inner"][:, 1] + gap)
    return places


def carried(picture: torch.Tensor, places: dict[str, np.ndarray], without: set[str]) -> torch.Tensor:
    """Warp the portrait, (1, 3, S, S), so that its points are at `places`; the groups of `without` move freely."""
    names = [name for name in POINTS if name not in without]
    source = np.concatenate([np.array(POINTS[name], float) for name in names] + [np.array(BORDER)])
    target = np.concatenate([places[name] for name in names] + [np.array(BORDER)])
    side = SIZE // GRID + 1
    axis = np.linspace(0, SIZE, side) / SCALE
    mesh = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2) + CORNER
    field = RBFInterpolator(target, source, kernel="thin_plate_spline", smoothing=0.02)(mesh)
    grid = (
        torch.from_numpy((field - CORNER) * SCALE / SIZE * 2 - 1).float().reshape(1, side, side, 2).permute(0, 3, 1, 2)
    )
    dense = F.interpolate(grid, size=(SIZE + 1, SIZE + 1), mode="bilinear", align_corners=True)
    dense = (dense[..., :-1, :-1] + dense[..., 1:, 1:]) / 2  # at the centres of the pixels
    return F.grid_sample(
        picture, dense.permute(0, 2, 3, 1), mode="bicubic", padding_mode="reflection", align_corners=False
    )


def height(points: np.ndarray, left: np.ndarray, right: np.ndarray) -> torch.Tensor:
    """Return y, (S,) in px of the frame, of the curve through left, points and right at every column.

    left, right: (2,); points: (n, 2), all in px of the portrait. Beyond its ends the curve is constant.
    """
    line = (np.concatenate([[left], points, [right]]) - CORNER) * SCALE
    line = line[np.argsort(line[:, 0])]
    columns = np.clip(np.arange(SIZE) + 0.5, line[0, 0], line[-1, 0])
    return torch.from_numpy(CubicSpline(line[:, 0], line[:, 1], bc_type="natural")(columns)).float()


def soft(distance: torch.Tensor, width: torch.Tensor | float) -> torch.Tensor:
    """Return a soft mask, 1 where the distance is positive and larger than the width: (S, S) -> (S, S)."""
    return torch.sigmoid(distance / width)


def drawn(smile: torch.Tensor, calm: torch.Tensor, t: float, loudness: float) -> np.ndarray:
    """Draw a frame at a time (s): -> (S, S, 3) uint8.

    smile, calm: (1, 3, S, S), the portrait with and without the folds of its smile; loudness: opening of the jaw in
    [0, 1].
    """
    shares, places = weights(t, loudness), moved(t, loudness)
    rest = min(shares["neutral"] + shares["surprise"], 1.0)
    teeth = turned(np.array(TEETH) - [0, 2.2 * shares["surprise"]], t)
    frame = painted(smile * (1 - rest) + calm * rest, places, teeth, shares["surprise"])
    closed = max(bump(t, centre, 0.075) for centre in BLINKS)
    frame = blinked(frame, places, closed, LEFT_EYE)
    frame = blinked(frame, places, closed, RIGHT_EYE)
    return frame[0].clamp(0, 255).round().byte().permute(1, 2, 0).contiguous().numpy()


def painted(picture: torch.Tensor, places: dict[str, np.ndarray], teeth: np.ndarray, dark: float) -> torch.Tensor:
    """Return the portrait, (1, 3, S, S), with its points at `places` and a mouth that shows teeth down to an edge.

    teeth: (n, 2) px of the portrait, lower edge of the teeth; dark: how dark the mouth is, in [0, 1].
    """
    left, right = places["corners"]
    rows = torch.arange(SIZE)[:, None] + 0.5
    upper, lower = height(places["upper_inner"], left, right), height(places["lower_inner"], left, right)
    edge_of_teeth = height(teeth, left - [9, 0], right + [9, 0])
    ends = torch.tensor(([left, right] - CORNER)[:, 0] * SCALE).float()
    columns = torch.arange(SIZE) + 0.5
    inside = soft(columns - ends[0], 1.0) * soft(ends[1] - columns, 1.0)
    outside = torch.maximum(ends[0] - columns, columns - ends[1]).clamp(min=0)

    frame = carried(picture, places, LOWER)
    gap = inside * soft(rows - upper, 0.6) * soft(lower - rows, 0.6)
    below = soft(rows - edge_of_teeth, 0.9)
    depth = ((rows - edge_of_teeth) / 14).clamp(0, 1)
    cavity = torch.tensor([78.0, 34, 32])[:, None, None] * (1 - 0.55 * depth)
    edge = (outside.neg() + (ends[1] - ends[0]) / 2 - (columns - ends.mean()).abs()).clamp(0, 16) / 16
    frame = frame * (1 - gap * 0.4 * dark)
    frame = frame * (1 - gap * (0.35 * (1 - edge)))  # the corners of the mouth are darker
    frame = frame * (1 - gap * below) + cavity * gap * below
    mask = soft(rows - lower, 0.7 + outside / 4)
    frame = frame * (1 - mask) + carried(picture, places, UPPER) * mask
    shade = inside * torch.exp(-(((rows - lower) / 1.6) ** 2)) * (1 - ((lower - upper) / 6).clamp(0, 1))
    return frame * (1 - 0.45 * shade)  # a dark line between closed lips


def blinked(
    frame: torch.Tensor, places: dict[str, np.ndarray], closed: float, eye: tuple[slice, slice]
) -> torch.Tensor:
    """Draw the lid over one eye of a frame, (1, 3, S, S), in the colour of the skin below it, with lashes at its edge.

    closed: how far the eye is closed, in [0, 1]; eye: slices of its lids and corners.
    """
    if closed < 0.05:
        return frame
    lids, corners = eye
    left, right = places["eye_corners"][corners]
    upper = height(places["upper_lids"][lids] - [0, 2.4], left, right)
    lower = height(places["lower_lids"][lids], left, right)
    edge = upper + (lower - upper) * closed
    rows, columns = torch.arange(SIZE)[:, None] + 0.5, torch.arange(SIZE) + 0.5
    ends = ((np.array([left, right]) - CORNER) * SCALE)[:, 0]
    inside = soft(columns - ends[0], 1.6) * soft(ends[1] - columns, 1.6)
    x, y = ((places["lower_lids"][lids][1] + [0, 6] - CORNER) * SCALE).astype(int)
    skin = frame[:, :, y - 1 : y + 2, x - 6 : x + 7].mean((2, 3), keepdim=True)
    lid = inside * soft(rows - upper, 1.5) * soft(edge - rows, 0.7)
    frame = frame * (1 - lid) + skin * (0.93 + 0.07 * ((rows - upper) / (lower - upper + 1)).clamp(0, 1)) * lid
    lashes = inside * torch.exp(-(((rows - edge) / 1.3) ** 2)) * min(closed * 2, 1.0)
    return frame * (1 - 0.6 * lashes)
