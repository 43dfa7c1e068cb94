"""Read face_landmarker.task, the file of MediaPipe's Face Landmarker: two networks and a mesh of the face."""

import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avfer.errors import WeightsError

NETWORKS = ("face_landmarks_detector.tflite", "face_blendshapes.tflite")
GEOMETRY = "geometry_pipeline_metadata_landmarks.binarypb"


@dataclass(frozen=True, eq=False)
class TaskFile:
    """The parts of face_landmarker.task that are needed here."""

    landmarks: bytes  # TFLite network: (1, 256, 256, 3) -> points, logit of presence, one more number
    blendshapes: bytes  # TFLite network: (1, 146, 2) -> (52,)
    basis: np.ndarray  # (33,) int64, numbers of the points that the head's rotation depends on
    mesh: np.ndarray  # (33, 3) float64 cm, where these points lie on the mesh: x right, y up, z to the viewer
    weights: np.ndarray  # (33,) float64 of these points, sum 1


def read_task(path: Path) -> TaskFile:
    """Return the parts of face_landmarker.task. Raises WeightsError if it is damaged or another file."""
    try:
        with zipfile.ZipFile(path) as files:
            landmarks, blendshapes, geometry = (files.read(name) for name in (*NETWORKS, GEOMETRY))
        return TaskFile(landmarks, blendshapes, *_read_geometry(geometry))
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise WeightsError(f"{path} is no task file or is truncated ({error}); download it again") from None
    except (KeyError, ValueError, IndexError, TypeError, struct.error) as error:
        raise WeightsError(f"{path} is no face_landmarker.task: {error}; check weights:") from None


def _read_geometry(data: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return basis, mesh and weights from MediaPipe's message GeometryPipelineMetadata.

    Field 1 is the mesh, whose field 3 repeats x, y, z, u, v of its vertices; each field 2 is a vertex and its weight.
    """
    fields = list(_fields(data))
    mesh = b"".join(value for number, value in fields if number == 1)
    floats = b"".join(value for number, value in _fields(mesh) if number == 3)
    vertices = np.frombuffer(floats, "<f4").reshape(-1, 5)[:, :3].astype(np.float64)
    weighted = [dict(_fields(value)) for number, value in fields if number == 2]
    basis = np.array([one.get(1, 0) for one in weighted], np.int64)
    weights = np.array([struct.unpack("<f", one[2])[0] for one in weighted])
    if len(basis) < 3:
        raise ValueError(f"{GEOMETRY} states {len(basis)} points of the mesh, a rotation needs 3")
    return basis, vertices[basis], weights / weights.sum()


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield number and value of the fields of a message in the wire format of Protocol Buffers."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
            continue
        size = 4 if key & 7 == 5 else varint()
        yield key >> 3, data[at : at + size]
        at += size
