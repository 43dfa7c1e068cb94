"""detect_faces: find the faces on the key frames of a clip."""

from dataclasses import dataclass, field
from typing import Annotated, cast

import numpy as np
import torch
from pydantic import Field

from avfer.catalog import check_call, find
from avfer.detector import Detector
from avfer.errors import ConfigError, MediaError
from avfer.models.engine import Engine, choose_engine
from avfer.models.weights import packaged_files
from avfer.option_types import Count, Number, Share, check_options, option_errors
from avfer.signal.exposure import brightened, gain
from avfer.types import FaceDetections, FrameBatch

Side = Annotated[Number, Field(ge=0, le=32_768)]  # px, or a share of the picture
Region = tuple[Side, Side, Side, Side]
MAX_WAITING_BYTES = 128_000_000  # of the frames from one key frame to the next, if these lie further apart than `every`


@dataclass
class RegionDetector:
    """A detector that searches a part of the picture only; everything else is that of the detector in it."""

    network: Detector  # the detector of the part
    region: Region  # x, y, width, height in px, or in shares of the picture if none is above 1
    crop_size: int  # px, as of the detector
    side_margin: float  # px, as of the detector
    landmark_shift: float  # px, as of the detector

    @classmethod
    def within(cls, network: Detector, region: Region) -> "RegionDetector":
        """Return a detector that uses `network` within a region."""
        return cls(network, region, network.crop_size, network.side_margin, network.landmark_shift)

    def search(self, picture: torch.Tensor, min_size: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Return boxes (N, 4) and scores (N,) as Detector.search. Raises MediaError if the region is outside."""
        height, width = picture.shape[:2]
        scale = np.array([width, height] * 2) if max(self.region) <= 1 else 1
        x, y, w, h = (int(side) for side in np.round(np.array(self.region) * scale))
        part = picture[y : y + h, x : x + w]
        if not part.numel():
            raise MediaError(f"region {list(self.region)} lies outside the picture of {width}x{height} px; change it")
        boxes, scores = self.network.search(part.contiguous(), min_size)
        return boxes + torch.tensor([x, y, x, y], dtype=boxes.dtype), scores

    def refine(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return scores (N,), box offsets (N, 4) and landmarks (N, 5, 2) as Detector.refine. crops: (N, 3, S, S)."""
        return self.network.refine(crops)


@dataclass
class DetectFaces:
    """Search the key frames of the clip for faces; `track_faces` fills the frames between.

    Key frames are `calm` * `every` frames apart, fewer in large pictures, because the frames from one key frame to the
    next wait in memory. Where a face comes, goes or is unsure, `track_faces` searches every `every`-th frame between
    them too; `calm` 1 searches each of these frames in any case. Key frames are counted from the start of the clip, so
    cutting the clip into other chunks changes no detection.

    Faces from about `min_size` pixels on are found; faces with a score below `min_score` are dropped. With a `region`
    only that part of the picture is searched; boxes are in pixels of the whole picture.
    """

    detector: str = "mtcnn"  # name in the catalog, or "package.module:Name" of a class that implements Detector
    min_size: Annotated[Number, Field(ge=12, le=4096)] = 40.0  # px; smaller faces cannot be found
    min_score: Share = 0.8  # lowest score of a face on a key frame
    every: Annotated[Count, Field(ge=1, le=250)] = 10  # frames between searches where a face comes, goes or is unsure
    calm: Annotated[Count, Field(ge=1, le=10)] = 3  # times `every`: frames between key frames while all faces are sure
    region: Region | None = None  # [x, y, width, height] in px, or in shares of the picture if none is above 1
    engine: Engine = "torch"  # what runs the detector: torch, or onnx (ONNX Runtime) on a CPU, if it allows it
    engine_used: Engine = field(default="torch", init=False, repr=False)  # set by load()
    _network: Detector | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        check_options(self)
        with option_errors("detector"):
            check_call("detector", self.detector, find("detector", self.detector))
        if self.region is not None and min(self.region[2:]) == 0:
            raise ConfigError(f"region: width and height must be > 0, got {list(self.region)}")

    def load(self, device: torch.device) -> None:
        """Build the detector on a device. Detections pass it to `track_faces`, so a pipeline loads it only once."""
        network = cast(Detector, find("detector", self.detector)().to(device))
        self.engine_used = choose_engine(network, self.engine, device)
        self._network = network if self.region is None else RegionDetector.within(network, self.region)

    def files(self) -> dict[str, str]:
        """Return the sha256 of the detector's weight files by their names; none unless the detector declares them."""
        return packaged_files(find("detector", self.detector))

    def __call__(self, frames: FrameBatch) -> FaceDetections:
        """Return the faces on the key frames of a batch; none in a clip without video."""
        assert self._network is not None, "load() must be called first"
        clock = frames.clock
        step = self._distance(frames)
        keys = [frame for frame in range(clock.first, clock.stop) if frame % step == 0 and clock.pictures]
        pictures = [frames.pixels[frame - clock.first] for frame in keys]
        found = [search(self._network, picture, self.min_size, self.min_score) for picture in pictures]
        return FaceDetections(
            clock,
            key_frames=np.array(keys, np.int64),
            frames=np.repeat(np.array(keys, np.int64), [len(boxes) for boxes, _ in found]),
            boxes=np.concatenate([boxes for boxes, _ in found] or [np.zeros((0, 4), np.float32)]),
            scores=np.concatenate([scores for _, scores in found] or [np.zeros(0, np.float32)]),
            min_size=self.min_size,
            min_score=self.min_score,
            every=self.every,
            detector=self._network,
        )

    def _distance(self, frames: FrameBatch) -> int:
        """Return the number of frames from one key frame to the next."""
        waiting = self.every * max(1, frames.pixels[:1].nbytes)  # bytes
        return self.every * max(1, min(self.calm, MAX_WAITING_BYTES // waiting))


def search(
    detector: Detector, picture: torch.Tensor, min_size: float, min_score: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the faces of one frame with a score of at least `min_score`; a dark frame is brightened first.

    picture: (H, W, 3) uint8 RGB -> boxes (N, 4) float32 xyxy px, scores (N,) float32 in [0, 1].
    """
    boxes, scores = detector.search(brightened(picture, gain(picture)), min_size)
    keep = scores >= min_score
    return boxes[keep].numpy(), scores[keep].numpy()


def search_part(
    detector: Detector, picture: torch.Tensor, part: np.ndarray, min_size: float, min_score: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the faces that `search` finds in a part of a frame, or in the whole region of a RegionDetector.

    picture: (H, W, 3) uint8 RGB; part: (4,) int64 xyxy px inside it -> boxes (N, 4) float32 xyxy px of the whole frame,
    scores (N,) float32 in [0, 1].
    """
    if isinstance(detector, RegionDetector):
        return search(detector, picture, min_size, min_score)
    left, top, right, bottom = part.tolist()
    boxes, scores = search(detector, picture[top:bottom, left:right].contiguous(), min_size, min_score)
    return boxes + np.array([left, top, left, top], np.float32), scores
