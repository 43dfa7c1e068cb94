"""Random pictures of the head: movement, pose, gaze, skin, hair, light, camera and background."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from tools.renders.head import IRIS_RADIUS, PIVOT, PUPIL_RADIUS, Head, direction_angles, rotation
from tools.renders.rasteriser import rasterise

SIDE = 160  # px of a picture
OVERSAMPLING = 2  # pixels drawn for one pixel of the picture, along each side
# Skin tones from light to dark, sRGB.
SKIN = np.array(
    [(246, 218, 200), (238, 196, 170), (224, 172, 138), (198, 142, 108), (165, 110, 78), (126, 80, 55), (88, 54, 38)]
    + [(60, 38, 30)]
)
HAIR = np.array([(20, 16, 14), (45, 30, 22), (84, 56, 36), (150, 110, 66), (200, 170, 120), (150, 145, 140)])
IRISES = np.array([(60, 35, 20), (95, 60, 30), (110, 90, 50), (90, 120, 140), (100, 125, 100), (40, 26, 18)])
# Movements that a face makes with both sides together: name -> shapes. "_" ends names that have a left and right shape.
MOVEMENTS: dict[str, tuple[str, ...]] = {
    "brow_inner_up": ("browInnerUp_",),
    "brow_outer_up": ("browOuterUp_",),
    "brows_up": ("browInnerUp_", "browOuterUp_"),
    "brow_down": ("browDown_",),
    "eye_wide": ("eyeWide_",),
    "cheek_raise": ("cheekRaiser_",),
    "cheek_squint": ("cheekSquint_",),
    "eye_squint": ("eyeSquint_",),
    "blink": ("eyeBlink_",),
    "nose_sneer": ("noseSneer_",),
    "upper_lip_up": ("mouthUpperUp_",),
    "smile": ("mouthSmile_",),
    "felt_smile": ("mouthSmile_", "cheekRaiser_"),
    "dimple": ("mouthDimple_",),
    "frown": ("mouthFrown_",),
    "lower_lip_down": ("mouthLowerDown_",),
    "chin_up": ("mouthShrugLower",),
    "upper_shrug": ("mouthShrugUpper",),
    "pucker": ("mouthPucker",),
    "stretch": ("mouthStretch_",),
    "funnel": ("mouthFunnel",),
    "press": ("mouthPress_",),
    "roll_lower": ("mouthRollLower",),
    "roll_upper": ("mouthRollUpper",),
    "lips_in": ("mouthRollLower", "mouthRollUpper"),
    "jaw_open": ("jawOpen",),
    "jaw_left": ("jawLeft",),
    "jaw_right": ("jawRight",),
    "mouth_left": ("mouthLeft",),
    "mouth_right": ("mouthRight",),
    "cheek_puff": ("cheekPuff_",),
}
OPPOSITES = ({"jaw_left", "jaw_right"}, {"mouth_left", "mouth_right"}, {"blink", "eye_wide"})


@dataclass(frozen=True, eq=False)
class Shot:
    """What one picture shows, without the head's shapes themselves."""

    identity: np.ndarray  # (60,)
    weights: Mapping[str, float] = field(default_factory=dict[str, float])  # of shapes, in [0, 1]
    pose: tuple[float, float, float] = (0.0, 0.0, 0.0)  # yaw, pitch, roll in degrees
    eyes: tuple[float, float] = (0.0, 0.0)  # yaw and pitch of the eyes in the head, degrees
    distance: float = 70.0  # cm from the camera
    look: int = 0  # seed of skin, hair, light and background

    def gaze(self) -> np.ndarray:
        """Return yaw and pitch of the gaze relative to the camera, (2,) degrees."""
        return direction_angles(rotation(*self.pose) @ rotation(*self.eyes, 0)[:, 2])


def shapes(head: Head, movement: str) -> list[str]:
    """Return the names of the shapes that a movement needs."""
    names = [name + side for name in MOVEMENTS[movement] for side in (("L", "R") if name.endswith("_") else ("",))]
    assert set(names) <= set(head.names), movement
    return names


def lids(yaw: float, pitch: float) -> dict[str, float]:
    """Return the weights of the lids that go with a turn of the eyes, in degrees."""
    up, down = max(pitch, 0) / 30, max(-pitch, 0) / 30
    left, right = max(yaw, 0) / 35, max(-yaw, 0) / 35  # of the head: its left is the picture's right
    names = {"eyeLookUp_L": up, "eyeLookUp_R": up, "eyeLookDown_L": down, "eyeLookDown_R": down}
    names |= {"eyeLookOut_L": left, "eyeLookIn_R": left, "eyeLookOut_R": right, "eyeLookIn_L": right}
    return {name: min(1.0, value) for name, value in names.items() if value > 0}


def _movements(head: Head, rng: np.random.Generator) -> dict[str, float]:
    """Return random weights: a few movements, many, or none; one movement in six is stronger on one side."""
    kind = rng.random()
    count = int(rng.integers(1, 4)) if kind < 0.35 else int(rng.integers(4, 13)) if kind < 0.88 else 0
    chosen = list(rng.choice(list(MOVEMENTS), count, replace=False))
    for pair in OPPOSITES:
        if pair <= set(chosen):
            chosen.remove(sorted(pair)[int(rng.integers(2))])
    weights: dict[str, float] = {}
    for movement in chosen:
        strength = rng.random() if count < 4 else rng.beta(0.8, 1.3)
        uneven = rng.random() < 0.17
        for name in shapes(head, movement):
            value = strength * (rng.random() if uneven and name.endswith("_R" if rng.random() < 0.5 else "_L") else 1)
            weights[name] = max(weights.get(name, 0.0), float(value))
    if "jawOpen" in weights and rng.random() < 0.2:
        weights["mouthClose"] = weights["jawOpen"] * rng.random()
    if rng.random() < 0.1:
        weights["eyeBlink_L"] = weights["eyeBlink_R"] = 1.0
    return weights


def random_shot(head: Head, rng: np.random.Generator, spread: float = 1.0) -> Shot:
    """Return a random picture. spread: factor on the spread of the head's rotation."""
    turned = rng.random() < 0.25
    yaw = rng.uniform(-50, 50) if turned else rng.normal(0, 12)
    pose = (yaw * spread, float(np.clip(rng.normal(0, 11), -35, 35)) * spread, rng.normal(0, 8) * spread)
    straight = rng.random() < 0.35
    eyes = (0.0, 0.0) if straight else (float(rng.uniform(-32, 32)), float(rng.uniform(-25, 22)))
    weights = _movements(head, rng)
    for name, value in lids(*eyes).items():
        weights[name] = max(weights.get(name, 0.0), value)
    return Shot(
        identity=rng.normal(0, 0.8, head.num_identities),
        weights=weights,
        pose=pose,
        eyes=eyes,
        distance=float(np.exp(rng.uniform(np.log(35), np.log(160)))),
        look=int(rng.integers(2**31)),
    )


def with_movement(shot: Shot, weights: Mapping[str, float]) -> Shot:
    """Return the shot with these weights instead of its own."""
    return replace(shot, weights=dict(weights))


def _linear(srgb: np.ndarray) -> np.ndarray:
    """sRGB colours in [0, 255] -> linear light in [0, 1]."""
    return (np.asarray(srgb, np.float32) / 255) ** 2.2


def _pick(colours: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a random mixture of two neighbours in a list of colours, linear light."""
    at = rng.uniform(0, len(colours) - 1)
    k = min(int(at), len(colours) - 2)
    mixed = colours[k] + (at - k) * (colours[k + 1] - colours[k])
    return _linear(np.clip(mixed * np.exp(rng.normal(0, 0.05, 3)), 0, 255))


def _albedo(head: Head, rng: np.random.Generator) -> np.ndarray:
    """Return random colours of the vertices, linear light: (V, 3) float32."""
    r, n = head.regions, len(head.neutral)
    skin, iris = _pick(SKIN, rng), _linear(IRISES[rng.integers(len(IRISES))])
    hair = np.minimum(_pick(HAIR, rng), 1.2 * skin)
    waves = sum(
        np.sin(head.neutral @ rng.normal(0, k, 3).astype(np.float32) + np.float32(rng.uniform(0, 6.3))) / np.float32(k)
        for k in (0.4, 0.8, 1.5, 3.0)
    ) * np.float32(rng.uniform(0.02, 0.06))
    colours = (
        skin.astype(np.float32) * np.exp(waves + rng.uniform(0.0, 0.05) * rng.standard_normal(n, np.float32))[:, None]
    )

    def blend(share: np.ndarray, colour: np.ndarray) -> None:
        rows = np.flatnonzero(share > 0)
        part = np.asarray(colour, np.float32)
        part = part[rows] if len(part) == n else part
        colours[rows] += share[rows, None].astype(np.float32) * (part - colours[rows])

    blend(r.sockets * rng.uniform(0, 0.35), skin * [0.6, 0.5, 0.5])
    blend(r.lips * rng.uniform(0.3, 0.95), skin * rng.uniform([0.7, 0.3, 0.3], [1.0, 0.6, 0.65]))
    strands = np.exp(0.25 * rng.standard_normal(n, np.float32))[:, None]
    if rng.random() < 0.25:
        blend(r.beard * rng.uniform(0.2, 0.9), hair * strands)
    blend(r.brows * rng.uniform(0.35, 0.95), hair * strands)
    if rng.random() < 0.85:
        blend(r.hair, hair * strands)
    blend(r.gums, _linear(np.array([150, 70, 70])) * rng.uniform(0.3, 0.8))
    blend(r.teeth, _linear(np.array([225, 215, 195])) * rng.uniform(0.5, 0.9))
    white = _linear(np.array([228, 222, 218])) * rng.uniform(0.6, 0.95)
    eye = np.where(
        (r.from_axis < PUPIL_RADIUS * rng.uniform(0.8, 1.4))[:, None],
        0.01,
        np.where(
            (r.from_axis < IRIS_RADIUS)[:, None],
            iris,
            np.where((r.from_axis < 0.7)[:, None], (white + iris) / 2, white),
        ),
    )
    colours[r.eyes] = eye[r.eyes]
    return colours.astype(np.float32)


def _lit(head: Head, points: np.ndarray, albedo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the colours of lit vertices, linear light. points: (V, 3) turned head, albedo: (V, 3) -> (V, 3)."""
    normals = head.normals(points)
    ambient = rng.uniform(0.15, 0.6)
    light = np.full((len(points), 3), ambient, np.float32) * np.exp(rng.normal(0, 0.08, 3)).astype(np.float32)
    light *= 0.75 + 0.25 * normals[:, 1:2]
    shine = np.zeros(len(points), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        towards = np.array([rng.normal(0, 0.8), rng.normal(0.5, 0.5), rng.uniform(0.3, 1.2)])
        towards = (towards / np.linalg.norm(towards)).astype(np.float32)
        facing = (normals @ towards).clip(0)
        light += facing[:, None] * (rng.uniform(0.2, 1.0) * np.exp(rng.normal(0, 0.1, 3))).astype(np.float32)
        half = towards + np.array([0, 0, 1], np.float32)
        shine += (normals @ (half / np.linalg.norm(half))).clip(0) ** 32
    lit = albedo * light + (shine * rng.uniform(0, 0.12) * head.regions.face)[:, None]
    lit[head.regions.eyes] += (shine[head.regions.eyes] ** 2 * rng.uniform(0, 0.6))[:, None]
    return lit.astype(np.float32)


def _background(side: int, rng: np.random.Generator) -> np.ndarray:
    """Return a smooth random background with some edges, (S, S, 3) float32 linear light."""
    coarse = side // 4
    y, x = np.mgrid[0:coarse, 0:coarse].astype(np.float32) / coarse

    def colour() -> np.ndarray:
        return _linear(np.clip(rng.uniform(10, 250) * np.exp(rng.normal(0, 0.25, 3)), 0, 255))

    picture = np.broadcast_to(colour(), (coarse, coarse, 3)).astype(np.float32)
    for _ in range(int(rng.integers(0, 6))):
        a, b, c = rng.normal(0, 1, 3).astype(np.float32)
        slope = (a * (x - 0.5) + b * (y - 0.5) + c * 0.3) * np.float32(np.exp(rng.uniform(1, 5)))
        share = 1 / (1 + np.exp(-slope.clip(-50, 50)))
        picture += share[..., None] * (colour() - picture) * np.float32(rng.uniform(0.2, 1))
    return picture.repeat(4, 0).repeat(4, 1)


def render(head: Head, shot: Shot, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Return the picture of a shot, (S, S, 3) uint8 sRGB, and the 68 points of its face, (68, 2) px."""
    rng = np.random.default_rng(shot.look)
    weights = np.array([shot.weights.get(name, 0.0) for name in head.names])
    points = head.vertices(shot.identity, weights, shot.eyes)
    points = (points - PIVOT) @ rotation(*shot.pose).T + PIVOT
    colours = _lit(head, points, _albedo(head, rng), rng)
    large = side * OVERSAMPLING
    away = shot.distance - points[:, 2]
    middle = points[head.regions.face > 0, :2].mean(0) + rng.normal(0, 0.4, 2)
    focal = large / rng.uniform(20, 25) * (shot.distance - 9)
    pixels = (points[:, :2] - middle) * [1, -1] * (focal / away)[:, None] + large / 2
    picture = _background(large, rng)
    rasterise(np.c_[pixels, away].astype(np.float32), head.triangles, colours, picture)
    small = picture.reshape(side, OVERSAMPLING, side, OVERSAMPLING, 3).mean((1, 3))
    bright = np.quantile(colours[head.regions.face > 0].mean(1)[::8], 0.9)
    exposure = (rng.uniform(0.25, 1.0) / bright) ** 0.45
    picture = (255 * (small * exposure).clip(0, 1) ** (1 / 2.2)).round().astype(np.uint8)
    return picture, pixels[head.landmarks] / OVERSAMPLING
