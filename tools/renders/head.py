"""The morphable head of the ICT FaceKit: shape, regions to colour, and projection.

Axes: x to the picture's right, y up, z to the viewer, in centimetres. Angles are in degrees: yaw is positive when the
head turns to the picture's right, pitch when it looks up, roll when it tilts clockwise on the picture.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.path import Path as Outline
from scipy import sparse

EYE_CENTRES = np.array([[3.116, 3.602, 7.982], [-3.116, 3.602, 7.982]])  # left, right: spheres fitted to the sclerae
PIVOT = np.array([0.0, 1.0, 4.0])  # cm, the point about which the head turns
IRIS_RADIUS, PUPIL_RADIUS = 0.6, 0.25  # cm from the eye's axis
DRAWN = ("M_Face", "M_BackHead", "M_GumsTongue", "M_Teeth", "M_ScleraLeft", "M_ScleraRight")


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Return the matrix (3, 3) that turns a head which faces the viewer: pitch first, then yaw, then roll."""
    y, p, r = np.radians([yaw, -pitch, -roll])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def direction_angles(direction: np.ndarray) -> np.ndarray:
    """Return yaw and pitch of directions in degrees: (..., 3) -> (..., 2)."""
    x, y, z = np.moveaxis(direction, -1, 0)
    return np.degrees(np.stack([np.arctan2(x, z), np.arctan2(y, np.hypot(x, z))], -1))


@dataclass(frozen=True, eq=False)
class Regions:
    """Shares in [0, 1] with which each of the V vertices belongs to a region of the head."""

    face: np.ndarray
    lips: np.ndarray
    brows: np.ndarray
    hair: np.ndarray
    beard: np.ndarray
    sockets: np.ndarray
    gums: np.ndarray
    teeth: np.ndarray
    eyes: np.ndarray  # bool
    from_axis: np.ndarray  # cm of eye vertices from the axis of their eye; infinite behind the eye's centre


class Head:
    """Shapes and regions of the head; `vertices` mixes them."""

    def __init__(self, path: Path) -> None:
        """Load ict_facekit.npz."""
        with np.load(path) as arrays:
            self.neutral = arrays["neutral"].astype(np.float32)
            self.names = [str(name) for name in arrays["expression_names"]]
            self._expressions = arrays["expressions"].astype(np.float32).reshape(len(self.names), -1)
            self._identities = arrays["identities"].astype(np.float32).reshape(len(arrays["identities"]), -1)
            quads, materials = arrays["quads"], [str(name) for name in arrays["materials"]]
            self.landmarks, material = arrays["landmarks68"], arrays["material"]
        members = {name: np.unique(quads[material == materials.index(name)]) for name in DRAWN}
        quads = quads[np.isin(material, [materials.index(name) for name in DRAWN])]
        self.triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)
        self.num_identities = len(self._identities)
        self.eyes = [members["M_ScleraLeft"], members["M_ScleraRight"]]
        self.regions = self._regions(members, self.neutral[self.landmarks])
        columns = self.triangles.ravel()
        rows = np.repeat(np.arange(len(self.triangles)), 3)
        ones = np.ones(len(columns), np.float32)
        self._corners = sparse.csr_matrix((ones, (columns, rows)), (len(self.neutral), len(self.triangles)))

    def _regions(self, members: dict[str, np.ndarray], landmarks: np.ndarray) -> Regions:
        points = self.neutral
        x, y, z = points.T

        def of(*names: str) -> np.ndarray:
            share = np.zeros(len(points), np.float32)
            for name in names:
                share[members[name]] = 1
            return share

        face = of("M_Face")
        lips = face * Outline(landmarks[48:60, :2]).contains_points(points[:, :2]) * (z > 9)
        brows = np.zeros(len(points), np.float32)
        for part in (landmarks[17:22], landmarks[22:27]):
            line = np.stack([np.interp(np.linspace(0, 4, 41), range(5), part[:, k]) for k in range(2)], 1)
            gap = np.linalg.norm(points[:, None, :2] - (line - [0, 0.15])[None], axis=2).min(1)
            brows = np.maximum(brows, np.clip((0.55 - gap) / 0.25, 0, 1))
        eyes, from_axis = np.zeros(len(points), bool), np.full(len(points), np.inf, np.float32)
        sockets = np.zeros(len(points), np.float32)
        for rows, centre in zip(self.eyes, EYE_CENTRES, strict=True):
            eyes[rows] = True
            offset = points[rows] - centre
            from_axis[rows] = np.where(offset[:, 2] > 0, np.hypot(offset[:, 0], offset[:, 1]), np.inf)
            sockets = np.maximum(sockets, np.exp(-((np.hypot((x - centre[0]) / 2.2, (y - centre[1]) / 1.3)) ** 2)))
        scalp = np.clip((y - 7.5 + 0.9 * (6 - z).clip(0)) / 1.5, 0, 1)
        beard = face * (1 - lips) * np.clip((-1.2 - y + 0.25 * (np.abs(x) - 4).clip(0)) / 1.0, 0, 1) * (y > -11)
        hair = (of("M_Face") + of("M_BackHead")).clip(0, 1) * scalp * (y > -3)
        return Regions(
            face,
            lips.astype(np.float32),
            brows * face * (z > 7),
            hair,
            beard,
            sockets * face,
            of("M_GumsTongue"),
            of("M_Teeth"),
            eyes,
            from_axis,
        )

    def vertices(self, identity: np.ndarray, weights: np.ndarray, gaze: tuple[float, float]) -> np.ndarray:
        """Return the vertices of a head that is not turned, (V, 3) float32 cm.

        identity: (60,) weights of the identities; weights: (55,) of the expressions in [0, 1]; gaze: yaw and pitch of
        both eyes in the head, degrees.
        """
        used = np.flatnonzero(weights)
        moved = identity.astype(np.float32) @ self._identities
        moved += weights[used].astype(np.float32) @ self._expressions[used]
        moved = moved.reshape(-1, 3)
        points = self.neutral + moved
        turn = rotation(*gaze, 0).astype(np.float32)
        for rows, centre in zip(self.eyes, EYE_CENTRES, strict=True):
            middle = (centre + moved[rows].mean(0)).astype(np.float32)
            points[rows] = (self.neutral[rows] - centre.astype(np.float32)) @ turn.T + middle
        return points

    def normals(self, points: np.ndarray) -> np.ndarray:
        """Return the outward normals of vertices, of length 1: (V, 3) -> (V, 3) float32."""
        a, b, c = (points[self.triangles[:, k]] for k in range(3))
        total = self._corners @ np.cross(b - a, c - a).astype(np.float32)
        return total / np.linalg.norm(total, axis=1, keepdims=True).clip(1e-9)
