"""Another detector than MTCNN, named in the YAML, serves detect_faces, track_faces and align_faces."""

from pathlib import Path

import numpy as np
import pytest

from avfer.detector import Detector
from avfer.errors import ConfigError
from avfer.models.detectors.mtcnn import Mtcnn
from avfer.pipeline import Pipeline
from avfer.pipeline_config import read_pipeline
from avfer.rows import concat
from avfer.signal.geometry import ARCFACE
from avfer.stages.detect import DetectFaces
from avfer.types import Clip, FaceCrops
from tests.laws import assert_same
from tests.media_maker import write_clip
from tests.toy_detector import SIDE, Squares, corners, squares_clip

COUNT = 33
PIPELINE = """\
chunk: 0.3
stages:
  frames: {use: decode_video, from: span}
  boxes: {use: detect_faces, from: frames, detector: "tests.toy_detector:Squares", every: 5}
  tracks: {use: track_faces, from: [frames, boxes]}
  faces: {use: align_faces, from: [frames, tracks], size: 24}
output: faces
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("squares") / "squares.mp4", squares_clip(COUNT))


def crops_of(clip: Path, chunk: float = 0.3) -> FaceCrops:
    yaml = clip.with_name("squares.yaml")
    yaml.write_text(PIPELINE)
    pipeline = Pipeline(read_pipeline(yaml, {"chunk": chunk}), "cpu", output=FaceCrops)
    return concat(list(pipeline.values(Clip(clip))))


def test_every_square_of_every_frame_has_its_box_and_landmarks(clip: Path) -> None:
    faces = crops_of(clip).faces
    for frame in range(COUNT):
        rows = faces.frames == frame
        truth = np.array(sorted(corners(frame)), float)
        order = np.argsort(faces.boxes[rows][:, 0])
        np.testing.assert_allclose(faces.boxes[rows][order], np.hstack([truth, truth + SIDE]), atol=2.5)
        points = truth[:, None] + np.array(ARCFACE) * SIDE
        np.testing.assert_allclose(faces.landmarks[rows][order], points, atol=2.5)


def test_every_square_is_one_track(clip: Path) -> None:
    faces = crops_of(clip).faces
    assert [np.sum(faces.track_ids == track).item() for track in np.unique(faces.track_ids)] == [COUNT, 24 - 8]


def test_crops_show_the_squares_alone(clip: Path) -> None:
    pixels = crops_of(clip).pixels[:, 2:-2, 2:-2].float()
    assert (pixels[..., 0] > 150).all() and (pixels[..., 1] < 90).all()


@pytest.mark.parametrize("chunk", [0.04, 0.21, 10.0])
def test_chunks_change_no_value(clip: Path, chunk: float) -> None:
    assert_same(crops_of(clip, chunk), crops_of(clip))


def test_a_pipeline_builds_its_detector_once_and_no_other(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    for kind in (Squares, Mtcnn):
        original = kind.__init__

        def build(self: object, original: object = original) -> None:
            built.append(type(self).__name__)
            original(self)  # pyright: ignore[reportCallIssue]

        monkeypatch.setattr(kind, "__init__", build)
    crops_of(clip)
    assert built == ["Squares"]


def test_the_detectors_implement_the_protocol() -> None:
    assert isinstance(Squares(), Detector)
    assert isinstance(Mtcnn(), Detector)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("os:getcwd", "detector 'os:getcwd': 'os' is part of Python's standard library"),
        ("torch.nn:Linear", "belongs to the installed package torch"),
        ("tests.toy_stages:NoStage", "a subclass of torch.nn.Module with the members of avfer.detector.Detector"),
        ("tests.toy_networks:MeanColour", "the class MeanColour lacks crop_size, landmark_shift, refine, search"),
    ],
)
def test_a_class_that_is_no_detector_is_refused_before_it_is_called(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DetectFaces(detector=name)
