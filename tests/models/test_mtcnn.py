"""mtcnn: the cascade against the published implementation, and the last network by itself."""

import subprocess
import sys
from functools import cache

import numpy as np
import pytest
import torch
import torchvision
from facenet_pytorch import MTCNN
from facenet_pytorch.models import mtcnn as published
from PIL import Image

from avfer.errors import ConfigError
from avfer.goldens.adapters import build_mtcnn_part
from avfer.models.detectors import mtcnn, mtcnn_networks
from avfer.models.detectors.mtcnn import Mtcnn
from avfer.signal.geometry import iou
from tests.pictures import astronaut, face_at, no_face


@cache
def detector() -> Mtcnn:
    return Mtcnn()


@pytest.mark.parametrize("scale", [1.0, 0.6, 2.5])
def test_the_face_is_where_the_published_cascade_finds_it(scale: float) -> None:
    picture = torch.from_numpy(astronaut().copy()).permute(2, 0, 1)[None]
    size = [round(512 * scale)] * 2
    picture = torch.nn.functional.interpolate(picture, size, mode="bilinear", antialias=True)[0].permute(1, 2, 0)
    boxes, scores = detector().search(picture, 40)
    expected, _ = MTCNN(min_face_size=40, keep_all=True).detect(picture.numpy())
    assert scores[0] > 0.99
    assert iou(boxes[:1].numpy(), expected[:1])[0, 0] > 0.8


def test_several_faces_are_found_and_the_best_comes_first() -> None:
    row = np.concatenate([face_at(0), face_at(5)[:, ::-1], face_at(-5)], 1)
    boxes, scores = detector().search(torch.from_numpy(row.copy()), 40)
    assert len(boxes) == 3
    assert scores.tolist() == sorted(scores.tolist(), reverse=True)
    assert sorted((boxes[:, 0] // 280).int().tolist()) == [0, 1, 2]


def test_a_tilted_and_covered_face_is_found_by_a_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    upright = face_at(0)
    (box, *_), _ = detector().search(torch.from_numpy(upright.copy()), 40)
    tilted = np.array(Image.fromarray(upright).rotate(30, fillcolor=(90, 90, 90)))
    tilted[65:101, 117:159] = (153, 108, 142)
    boxes, scores = detector().search(torch.from_numpy(tilted), 40)
    assert len(boxes) == 1 and scores[0] >= 0.9
    assert iou(boxes.numpy(), box[None].numpy())[0, 0] > 0.5
    monkeypatch.setattr(mtcnn, "SECOND_SCORE", 1.0)  # no second look
    assert (detector().search(torch.from_numpy(tilted), 40)[1] < 0.8).all()


def test_a_face_much_smaller_than_min_size_is_not_found() -> None:
    picture = torch.from_numpy(astronaut()[::4, ::4].copy())  # the face is some 28 px high
    assert len(detector().search(picture, 20)[0]) == 1
    assert len(detector().search(picture, 80)[0]) == 0


@pytest.mark.parametrize("picture", [no_face(), np.zeros((200, 200, 3), np.uint8), np.full((8, 300, 3), 90, np.uint8)])
def test_nothing_is_found_in_a_picture_without_faces(picture: np.ndarray) -> None:
    boxes, scores = detector().search(torch.from_numpy(picture), 20)
    assert boxes.shape == (0, 4) and scores.shape == (0,)


@pytest.mark.parametrize("count", [1, 4, 5, 13, 40])
def test_a_crop_is_read_alike_alone_and_in_a_batch(count: int) -> None:
    crops = torch.randint(0, 256, (count, 3, 48, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(count))
    together = detector().refine(crops)
    assert [len(part) for part in together] == [count] * 3
    alone = detector().refine(crops[-1:])
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a[-1:], b, atol=1e-5, rtol=1e-5)


def test_landmarks_are_points_eyes_first() -> None:
    picture = torch.from_numpy(astronaut().copy())
    (left, top, right, bottom), *_ = MTCNN().detect(picture.numpy())[0].astype(int)
    crop = torch.nn.functional.interpolate(picture[top:bottom, left:right].permute(2, 0, 1)[None], (48, 48))
    points = detector().refine(crop)[2][0]
    eyes, nose, mouth = points[:2], points[2], points[3:]
    assert eyes[0, 0] < nose[0] < eyes[1, 0] and mouth[0, 0] < mouth[1, 0]
    assert eyes[:, 1].max() < nose[1] < mouth[:, 1].min()


@pytest.mark.parametrize(("part", "count"), [("pnet", 6_632), ("rnet", 100_178), ("onet", 389_040)])
def test_the_three_networks_have_as_many_parameters_as_the_published_ones(part: str, count: int) -> None:
    assert sum(p.numel() for p in detector().get_submodule(part).parameters()) == count


def test_weights_of_no_network_of_the_cascade_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"no network \(pnet, rnet, onet\) has the tensors conv1\.weight"):
        build_mtcnn_part({"conv1.weight": torch.zeros(1)})


@pytest.mark.parametrize("size", [(12, 40), (13, 12), (331, 401)])
def test_a_level_that_passes_in_bands_gives_the_values_of_the_whole(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    level = torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        whole = detector().pnet(detector()._normalised(level))
        monkeypatch.setattr(mtcnn, "BAND_BYTES", 600_000)
        for found, expected in zip(detector()._scan(level), whole, strict=True):
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_a_large_batch_passes_in_parts_and_keeps_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    crops = torch.randint(0, 256, (53, 3, 48, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    sizes, forward = list[int](), detector().onet.forward
    monkeypatch.setattr(detector().onet, "forward", lambda x: (sizes.append(len(x)), forward(x))[1])
    together = detector().refine(crops)
    assert sizes == [24, 24, 6]
    alone = [detector().refine(crops[i : i + 1]) for i in (0, 23, 24, 52)]
    for part, values in enumerate(together):
        expected = torch.cat([one[part] for one in alone])
        torch.testing.assert_close(values[[0, 23, 24, 52]], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "shape"), [("PNet", (1, 3, 60, 81)), ("RNet", (3, 3, 24, 24)), ("ONet", (3, 3, 48, 48))]
)
def test_the_networks_are_those_of_facenet_pytorch(name: str, shape: tuple[int, ...]) -> None:
    ours, theirs = getattr(mtcnn_networks, name)(), getattr(published, name)()
    x = torch.randn(shape)
    for found, expected in zip(ours(x), theirs(x), strict=True):
        torch.testing.assert_close(found, expected)


def test_boxes_are_suppressed_and_cut_out_as_by_torchvision() -> None:
    corner, scores, picture = torch.rand(50, 2) * 40, torch.rand(50), torch.rand(1, 3, 64, 64)
    boxes = torch.cat([corner, corner + 1 + 20 * torch.rand(50, 2)], 1)
    assert torch.equal(mtcnn_networks.nms(boxes, scores, 0.5), torchvision.ops.nms(boxes, scores, 0.5))
    expected = torchvision.ops.roi_align(picture, [boxes], 24, sampling_ratio=2, aligned=True)
    assert torch.equal(mtcnn_networks.roi_align(picture, boxes, 24), expected)


@pytest.mark.slow
def test_loading_a_pipeline_imports_no_package_that_it_does_not_use() -> None:
    unused = {
        "torchvision",
        "torch._dynamo",
        "facenet_pytorch",
        "librosa",
        "pandas",
        "matplotlib",
        "timm",
        "onnxruntime",
    }
    code = f"import sys, avfer; avfer.load('aver', device='cpu'); print(sorted({unused} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
