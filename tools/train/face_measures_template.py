"""Where the five alignment points of a face lie in the crops of face_lite."""

from avfer.signal.geometry import ARCFACE

MARGIN = 12  # px around a crop that augmentation may move into view
ZOOM = 0.86  # of the ArcFace template, so that the crop shows an open jaw and raised brows
EYES = 0.42  # share of the side, height of the eyes
FIVE = (468, 473, 4, 61, 291)  # of the 478 landmarks: eyes, nose, mouth corners, the one further left first
TEMPLATE = tuple((round(0.5 + ZOOM * (x - 0.5), 4), round(EYES + ZOOM * (y - ARCFACE[0][1]), 4)) for x, y in ARCFACE)
