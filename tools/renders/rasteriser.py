"""Draw coloured triangles into a picture with a depth buffer."""

import numba
import numpy as np


@numba.njit(cache=True, fastmath=True)
def rasterise(points: np.ndarray, triangles: np.ndarray, colours: np.ndarray, picture: np.ndarray) -> None:
    """Draw triangles over `picture`, in place; the nearest surface wins, colours are interpolated between corners.

    Only triangles whose corners run counter-clockwise on the picture are drawn.

    points: (V, 3) float32 x and y in pixels (y down) and the distance from the camera; triangles: (T, 3) int32 rows of
    `points`; colours: (V, 3) float32; picture: (H, W, 3) float32.
    """
    height, width = picture.shape[:2]
    depth = np.full((height, width), np.float32(1e30))
    for t in range(len(triangles)):
        a, b, c = triangles[t]
        ax, ay, bx, by, cx, cy = points[a, 0], points[a, 1], points[b, 0], points[b, 1], points[c, 0], points[c, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area > -1e-9:  # turned away, or edge-on to the camera
            continue
        left, right = int(np.ceil(min(ax, bx, cx) - 0.5)), int(np.floor(max(ax, bx, cx) - 0.5))
        top, bottom = int(np.ceil(min(ay, by, cy) - 0.5)), int(np.floor(max(ay, by, cy) - 0.5))
        for y in range(max(top, 0), min(bottom, height - 1) + 1):
            for x in range(max(left, 0), min(right, width - 1) + 1):
                px, py = x + 0.5, y + 0.5
                v = ((px - ax) * (cy - ay) - (py - ay) * (cx - ax)) / area
                w = ((bx - ax) * (py - ay) - (by - ay) * (px - ax)) / area
                u = 1 - v - w
                if u < 0 or v < 0 or w < 0:
                    continue
                far = u * points[a, 2] + v * points[b, 2] + w * points[c, 2]
                if far < depth[y, x]:
                    depth[y, x] = far
                    for k in range(3):
                        picture[y, x, k] = u * colours[a, k] + v * colours[b, k] + w * colours[c, k]
