"""detect_faces, track_faces, align_faces and embed_faces on a real face."""

from functools import cache

import numpy as np
import pytest
import torch
from facenet_pytorch import MTCNN
from hypothesis import example, given, settings
from hypothesis import strategies as st

from avfer.errors import ConfigError
from avfer.signal.geometry import iou
from avfer.stages.align import AlignFaces
from avfer.stages.detect import DetectFaces
from avfer.stages.embed_faces import EmbedFaces
from avfer.stages.measure import MeasureFaces
from avfer.stages.track import TrackFaces
from avfer.types import FaceCrops, FaceDetections, FaceTracks, FrameBatch
from tests.laws import assert_same, feed, part
from tests.pictures import batch, face_at, moving, no_face

CPU = torch.device("cpu")
COUNT = 47
cuts = st.lists(st.integers(0, COUNT), max_size=4)
few = settings(max_examples=6, deadline=None)


@cache
def detect() -> DetectFaces:
    stage = DetectFaces()
    stage.load(CPU)
    return stage


@cache
def embed() -> EmbedFaces:
    stage = EmbedFaces()
    stage.load(CPU)
    return stage


def tracked(frames: FrameBatch) -> FaceTracks:
    return feed(TrackFaces(), [frames, detect()(frames)], [])


@cache
def clip() -> tuple[FrameBatch, FaceDetections, FaceTracks, FaceCrops]:
    """Return a clip in which a face drifts, is gone for ten frames and returns, with the outputs of the stages."""
    frames = batch(moving(22) + [no_face()] * 10 + moving(COUNT - 32))
    rows = tracked(frames)
    return frames, detect()(frames), rows, feed(AlignFaces(), [frames, rows], [])


@few
@given(st.integers(0, COUNT))
def test_chunks_change_no_detection(where: int) -> None:
    frames, found, _, _ = clip()
    parts = [detect()(part(frames, a, b)) for a, b in ((0, where), (where, COUNT))]
    for name in ("key_frames", "frames", "boxes", "scores"):
        np.testing.assert_array_equal(np.concatenate([getattr(p, name) for p in parts]), getattr(found, name))


@few
@example([COUNT])
@example([0, 11, 11, COUNT])
@given(cuts)
def test_chunks_change_no_track(where: list[int]) -> None:
    frames, found, rows, _ = clip()
    assert_same(feed(TrackFaces(), [frames, found], where), rows)


@few
@example([COUNT])
@example([0, 11, 11, COUNT])
@given(cuts)
def test_chunks_change_no_crop(where: list[int]) -> None:
    frames, _, rows, crops = clip()
    assert_same(feed(AlignFaces(), [frames, rows], where), crops)


@few
@example([COUNT])
@example([0, 11, 11, COUNT])
@given(cuts)
def test_chunks_change_no_feature(where: list[int]) -> None:
    crops = feed(AlignFaces(size=48), [clip()[0], clip()[2]], [])
    assert_same(feed(embed(), [crops], where), feed(embed(), [crops], []))


def test_every_frame_with_the_face_has_one_row_and_other_frames_have_none() -> None:
    rows = clip()[2]
    with_face = [i for i in range(COUNT) if not 22 <= i < 32]
    assert rows.frames.tolist() == with_face
    assert (rows.scores > 0.9).all()


def test_boxes_agree_with_the_detector_run_on_every_frame() -> None:
    frames, _, rows, _ = clip()
    detector = MTCNN(min_face_size=40, keep_all=True)
    for frame in range(0, 22, 3):
        boxes, _ = detector.detect(frames.pixels[frame].numpy())
        assert iou(boxes[:1], rows.boxes[rows.frames == frame])[0, 0] > 0.8


def test_landmarks_lie_on_the_eyes_nose_and_mouth() -> None:
    frames, _, rows, _ = clip()
    _, _, points = MTCNN(min_face_size=40).detect(frames.pixels[0].numpy(), landmarks=True)
    assert np.abs(rows.landmarks[0] - points[0]).max() < 5


@pytest.mark.parametrize("side", ["left", "bottom"])
def test_the_landmarks_of_a_face_that_the_border_cuts_stay_where_they_are(side: str) -> None:
    whole = tracked(batch([face_at(0)]))
    left, bottom = int(whole.boxes[0, 0]) + 8, int(whole.boxes[0, 3]) - 8  # 8 of 86 px of the face are cut off
    part = face_at(0)[:, left:] if side == "left" else face_at(0)[:bottom]
    found = tracked(batch([np.ascontiguousarray(part)])).landmarks + ([left, 0] if side == "left" else 0)
    assert np.abs(found - whole.landmarks).max() < 4


def test_a_cut_ends_the_track_of_a_face_that_stays_in_place() -> None:
    dark = [255 - no_face()] * 1
    frames = batch([face_at(0)] * 12 + [255 - face_at(0)] * 1 + dark * 2 + [face_at(0)] * 10)
    rows = tracked(frames)
    assert len(np.unique(rows.track_ids)) == 2


@pytest.mark.parametrize(("gap", "people"), [(5, 1), (25, 2)])
def test_a_short_gap_keeps_the_id_and_a_long_one_does_not(gap: int, people: int) -> None:
    blank = face_at(0).copy()
    blank[40:160, 90:190] = blank[40:160, 90:190].mean((0, 1))
    rows = tracked(batch([face_at(0)] * 21 + [blank] * gap + [face_at(0)] * 21))
    assert not set(range(21, 21 + gap)) & set(rows.frames.tolist())
    assert len(np.unique(rows.track_ids)) == people


def test_two_people_have_two_ids_through_the_clip() -> None:
    wide = [np.concatenate([face_at(0), face_at(i / 3)[:, ::-1]], 1) for i in range(21)]
    rows = tracked(batch(wide))
    assert rows.track_ids.tolist() == [0, 1] * 21
    centres = rows.boxes[:, 0]
    assert (np.ptp(centres[::2]) < 30) and (np.ptp(centres[1::2]) < 30)


@pytest.mark.parametrize("side", [64, 31, 12, 5])
def test_tiny_frames_are_no_error(side: int) -> None:
    pictures = [np.ascontiguousarray(face_at(0)[20 : 20 + side, 90 : 90 + side])] * 3
    assert len(tracked(batch(pictures)).clock) == 3


def test_a_clip_without_frames_gives_no_rows() -> None:
    empty = batch([face_at(0)])
    empty = FrameBatch(empty.clock.part(1, 1), empty.pixels[:0])
    assert len(tracked(empty)) == 0


def test_crops_put_the_landmarks_on_the_template() -> None:
    frames, _, rows, crops = clip()
    detector = MTCNN(min_face_size=20)
    stage = AlignFaces(size=112)
    upright = feed(stage, [frames, rows], []).pixels[0].numpy()
    padded = np.pad(upright, ((60, 60), (60, 60), (0, 0)), mode="edge")
    _, _, points = detector.detect(padded, landmarks=True)
    assert np.abs(points[0] - 60 - np.array(stage.points) * 112).max() < 6
    assert crops.pixels.shape[1:] == (112, 112, 3)


def test_a_rotated_frame_gives_the_same_upright_crop() -> None:
    straight, turned = batch([face_at(0)]), batch([np.ascontiguousarray(np.rot90(face_at(0)))])
    rows = tracked(straight)
    x, y = rows.landmarks[..., 0], rows.landmarks[..., 1]
    quarter = np.stack([y, 279 - x + 1], -1).astype(np.float32)
    crop = feed(AlignFaces(size=64), [straight, rows], []).pixels.float()
    again = FaceTracks(turned.clock, rows.frames, rows.boxes, quarter, rows.scores, rows.track_ids)
    other = feed(AlignFaces(size=64), [turned, again], []).pixels.float()
    assert (crop - other).abs().mean() < 2


def test_crop_size_and_template_come_from_the_backbone_that_reads_them() -> None:
    fitted = AlignFaces().for_readers([embed()])
    assert fitted.size == 48
    assert fitted.points == tuple(embed().card.template)
    assert AlignFaces(size=64).for_readers([embed()]).size == 64


def test_one_stage_cuts_no_crops_for_networks_that_need_different_ones() -> None:
    readers = [embed(), MeasureFaces()]
    with pytest.raises(ConfigError, match=r"aver_lite of 48 px, face_lite of 96 px\); add an align_faces for each"):
        AlignFaces().for_readers(readers)
    with pytest.raises(ConfigError, match="need different crops"):  # their templates still differ
        AlignFaces(size=96).for_readers(readers)
    assert AlignFaces(size=96, template="arcface").for_readers(readers).size == 96


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DetectFaces(detector="mtcn"), "did you mean 'mtcnn'"),
        (lambda: DetectFaces(min_size=3), "min_size"),
        (lambda: DetectFaces(every=0), "every"),
        (lambda: TrackFaces(min_iou=2), "min_iou"),
        (lambda: TrackFaces(max_gap=-1), "max_gap"),
        (lambda: AlignFaces(size=2), "size"),
        (lambda: EmbedFaces(backbone="aver_light"), "did you mean 'aver_lite'"),
    ],
)
def test_options_out_of_range_are_refused(make: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()  # pyright: ignore[reportCallIssue]
