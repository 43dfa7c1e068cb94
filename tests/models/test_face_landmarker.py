"""MediaPipe's Face Landmarker; the tests of the networks need ../shared/data and are skipped where it is absent."""

import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from avfer.errors import MissingExtra, WeightsError
from avfer.models.backbones.face_landmarker import (
    BLENDSHAPES,
    CROP_SIDE,
    GAZE_REST,
    LIPS,
    POINTS,
    TEMPLATE,
    FaceLandmarker,
    FaceLandmarkers,
    LandmarkedFace,
    activations,
    gaze_angles,
    head_rotation,
    rotation_angles,
)
from avfer.models.face_measurer import ACTION_UNITS, ACTIVATIONS, LANDMARK_INDEX, action_units
from avfer.models.task_file import TaskFile, read_task
from avfer.models.weights import sha256
from avfer.signal.geometry import inverse, similarity, warp
from tools.renders.head import direction_angles, rotation

SHARED = Path(__file__).parents[3] / "shared" / "data"
TASK, FACES = SHARED / "face_landmarker" / "face_landmarker.task", SHARED / "faces" / "faces.npz"
FIVE = [list(LANDMARK_INDEX).index(point) for point in (468, 473, 4, 61, 291)]
COUNT = 48  # faces


@pytest.fixture(scope="module")
def task() -> TaskFile:
    if not TASK.exists():
        pytest.skip(f"{TASK} is absent")
    pytest.importorskip("ai_edge_litert")
    return read_task(TASK)


@pytest.fixture(scope="module")
def faces() -> dict[str, np.ndarray]:
    """Crops (N, S, S, 3), and the labels that MediaPipe made of the same faces at the pictures' full size."""
    if not FACES.exists():
        pytest.skip(f"{FACES} is absent")
    with np.load(FACES) as arrays:
        rows = np.linspace(0, len(arrays["person"]) - 1, COUNT).astype(int)
        jpg, offset, points = arrays["jpg"].tobytes(), arrays["offset"], arrays["landmarks"][rows].astype(np.float64)
        labels = {name: arrays[name][rows] for name in ("blendshapes", "yaw_pitch_roll")}
        constants = {name: arrays[name] for name in ("names", "landmark_index")}
    crops, places = [], []
    for row, shares in zip(rows, points, strict=True):
        picture = np.array(Image.open(io.BytesIO(jpg[offset[row] : offset[row + 1]])).convert("RGB"))
        landmarks = shares * len(picture)
        matrix = similarity(landmarks[FIVE][None], np.array(TEMPLATE) * CROP_SIDE)
        crops.append(warp(torch.from_numpy(picture), inverse(matrix)[0], CROP_SIDE).numpy())
        places.append((landmarks @ matrix[0, :, :2].T + matrix[0, :, 2]) / CROP_SIDE)
    return labels | constants | {"crops": np.stack(crops), "landmarks": np.stack(places)}


@pytest.fixture(scope="module")
def outputs(task, faces):
    return FaceLandmarkers(task).outputs(torch.from_numpy(faces["crops"]))


def test_points_and_blendshapes_have_the_numbers_and_names_of_mediapipe(faces):
    assert list(LANDMARK_INDEX) == faces["landmark_index"].tolist()
    assert list(BLENDSHAPES) == faces["names"].tolist()


def test_every_blendshape_that_face_lite_estimates_exists():
    assert set(ACTIVATIONS) - set(BLENDSHAPES) == {"cheekRaise", "noseWrinkle", "lipsApart"}


def test_blendshapes_agree_with_those_of_mediapipe(outputs, faces):
    live = [name for name in ACTIVATIONS if name in BLENDSHAPES]
    ours = outputs.activations[:, [ACTIVATIONS.index(name) for name in live]].numpy()
    theirs = faces["blendshapes"][:, [BLENDSHAPES.index(name) for name in live]].astype(np.float64)
    r = dict(zip(live, (np.corrcoef(x, y)[0, 1] for x, y in zip(ours.T, theirs.T, strict=True)), strict=True))
    assert np.mean(list(r.values())) > 0.8  # the crops have 160 px, MediaPipe's labels are of the full size
    assert min(r["mouthSmileLeft"], r["mouthSmileRight"], r["eyeBlinkLeft"], r["jawOpen"], r["browDownLeft"]) > 0.85
    assert np.abs(ours - theirs).mean() < 0.05


def test_landmarks_agree_with_those_of_mediapipe(outputs, faces):
    apart = np.linalg.norm(outputs.landmarks.numpy() - faces["landmarks"], axis=2)
    assert np.median(apart) < 0.01


def test_head_rotation_agrees_with_that_of_mediapipe(outputs, faces):
    theirs = faces["yaw_pitch_roll"][:, :2] * [1, -1]  # the crops are turned upright, so roll differs
    assert (np.abs(outputs.rotation[:, :2].numpy() - theirs).mean(0) < [3, 5]).all()


def test_only_the_action_units_without_a_live_blendshape_are_missing(outputs):
    units = dict(zip(ACTION_UNITS, action_units(outputs.activations).T, strict=True))
    assert [name for name, values in units.items() if values.isnan().any()] == ["au06", "au09"]
    for name, values in units.items():
        assert name in ("au06", "au09") or (values.min() >= 0 and values.max() <= 1)


def test_values_depend_neither_on_threads_nor_on_the_other_faces(task, faces, outputs):
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        alone = FaceLandmarkers(task).outputs(torch.from_numpy(faces["crops"][3:8]))
    finally:
        torch.set_num_threads(threads)
    for name, values in vars(alone).items():
        assert torch.equal(values.nan_to_num(-1), getattr(outputs, name)[3:8].nan_to_num(-1)), name


def test_no_face_gives_no_row(task):
    empty = FaceLandmarkers(task).outputs(torch.zeros((0, CROP_SIDE, CROP_SIDE, 3), dtype=torch.uint8))
    assert empty.landmarks.shape == (0, 146, 2)
    assert empty.activations.shape == (0, len(ACTIVATIONS))
    assert empty.gaze.shape == (0, 2)
    assert empty.presence.shape == (0,)


def test_a_crop_without_a_face_has_a_lower_presence(task, outputs):
    grey = torch.full((1, CROP_SIDE, CROP_SIDE, 3), 120, dtype=torch.uint8)
    assert FaceLandmarkers(task).outputs(grey).presence[0] < np.quantile(outputs.presence, 0.05)


def made_up_task() -> TaskFile:
    mesh = np.array([[0.0, 0, 4], [3, 2, 0], [-3, 2, 0], [2, -4, 1], [-2, -4, 1]])
    return TaskFile(b"", b"", np.array([4, 33, 263, 61, 291]), mesh, np.array([0.3, 0.2, 0.2, 0.15, 0.15]))


@pytest.mark.parametrize("pose", [(0, 0, 0), (30, 0, 0), (0, 20, 0), (0, 0, -25), (-40, 15, 10)])
def test_the_rotation_of_a_turned_mesh_is_found_in_the_convention_of_the_table(pose):
    made_up = made_up_task()
    points = np.zeros((POINTS, 3))
    points[made_up.basis] = (made_up.mesh @ rotation(*pose).T * 12) * [1, -1, -1] + [200, 100, 7]
    assert rotation_angles(head_rotation(points, made_up)) == pytest.approx(pose)


def face_with(**blendshapes: float) -> LandmarkedFace:
    values = np.zeros(len(BLENDSHAPES), np.float32)
    for name, value in blendshapes.items():
        values[BLENDSHAPES.index(name)] = value
    points = np.zeros((POINTS, 3))
    points[152] = [0, 100, 0]  # the chin; the forehead and the lips are at 0
    return LandmarkedFace(points, values, 0.0)


def test_the_gaze_follows_the_eyes_and_the_head():
    level = face_with()
    assert gaze_angles(level, np.eye(3)) == pytest.approx([0, GAZE_REST])
    assert gaze_angles(level, rotation(20, 0, 0)) == pytest.approx(
        direction_angles(rotation(20, 0, 0) @ rotation(0, GAZE_REST, 0)[:, 2])
    )
    to_the_right = gaze_angles(face_with(eyeLookOutLeft=0.8, eyeLookInRight=0.8), np.eye(3))
    upwards = gaze_angles(face_with(eyeLookUpLeft=0.5, eyeLookUpRight=0.5), np.eye(3))
    assert to_the_right[0] > 15
    assert upwards[1] > GAZE_REST + 5


def test_parted_lips_are_measured_by_their_distance():
    face = face_with(jawOpen=0.5)
    face.points[LIPS[1]] = [0, 5, 0]
    values = dict(zip(ACTIVATIONS, activations(face), strict=True))
    assert values["lipsApart"] == pytest.approx(0.05 / 0.211)
    assert values["jawOpen"] == 0.5
    face.points[LIPS[1]] = [0, 90, 0]
    assert activations(face)[ACTIVATIONS.index("lipsApart")] == 1


def test_the_card_states_the_crops_and_the_units_that_have_a_blendshape(task):
    path, card = FaceLandmarkers.locate(str(TASK))
    assert path == TASK
    assert (card.size, card.template) == (CROP_SIDE, list(TEMPLATE))
    assert {f"AU{unit[2:]}" for unit in ACTION_UNITS} - set(card.measured) == {"AU06", "AU09"}


def test_a_file_can_be_named_by_its_url_and_sha256(task, tmp_path, monkeypatch):
    monkeypatch.setenv("AVFER_CACHE", str(tmp_path))
    path, _ = FaceLandmarkers.locate(f"{TASK.as_uri()}#sha256={sha256(TASK)}")
    assert path.read_bytes() == TASK.read_bytes()
    with pytest.raises(WeightsError, match=r"whose sha256 is 64184e22.*, not 0000"):
        FaceLandmarkers.locate(f"{TASK.as_uri()}#sha256={'0' * 64}")


def test_a_missing_file_is_reported(tmp_path):
    pytest.importorskip("ai_edge_litert")
    with pytest.raises(WeightsError, match=r"none\.task: no such weight file"):
        FaceLandmarkers.locate(str(tmp_path / "none.task"))
    with pytest.raises(WeightsError, match=r"set weights: to the path or the URL.* face_landmarker\.task"):
        FaceLandmarkers.locate("builtin")


def test_another_file_is_reported(tmp_path):
    path = tmp_path / "face.task"
    path.write_bytes(b"no zip")
    with pytest.raises(WeightsError, match=r"face\.task is no task file or is truncated"):
        read_task(path)
    with zipfile.ZipFile(path, "w") as files:
        files.writestr("hand_landmarks_detector.tflite", b"")
    with pytest.raises(WeightsError, match=r"is no face_landmarker\.task: .*face_landmarks_detector\.tflite"):
        read_task(path)


def zip_of(path: Path, geometry: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as files:
        files.writestr("face_landmarks_detector.tflite", b"no network")
        files.writestr("face_blendshapes.tflite", b"no network")
        files.writestr("geometry_pipeline_metadata_landmarks.binarypb", geometry)
    return path


@pytest.mark.parametrize("geometry", [b"", b"\x0a\x50", b"\x0a\x02\x1a\x00", b"\xff\xff\xff"])
def test_a_damaged_mesh_is_reported(tmp_path, geometry):
    with pytest.raises(WeightsError, match=r"is no face_landmarker\.task"):
        read_task(zip_of(tmp_path / "face.task", geometry))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_truncated_file_is_reported(tmp_path, share):
    if not TASK.exists():
        pytest.skip(f"{TASK} is absent")
    content = TASK.read_bytes()
    path = tmp_path / "face_landmarker.task"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(WeightsError, match=r"face_landmarker\.task is no task file or is truncated"):
        read_task(path)


def test_a_damaged_network_is_reported():
    pytest.importorskip("ai_edge_litert")
    with pytest.raises(WeightsError, match="a network cannot be read"):
        FaceLandmarker(made_up_task())


def test_the_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(MissingExtra, match=r"pip install 'avfer\[mediapipe\]'"):
        FaceLandmarkers.locate("face_landmarker.task")
