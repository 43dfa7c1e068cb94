"""mtcnn: the face detector of Zhang et al., IEEE SPL 2016, with the networks and weights of facenet-pytorch.

`search` runs the three-network cascade on one picture; `refine` runs the last network alone on squares that are known
to hold faces. Both follow the published cascade (thresholds 0.6, 0.7, 0.7, pyramid factor 0.709) with three changes,
of our own. For speed, levels are resized with an antialiased filter, and candidates are cropped from a copy of the
picture in which a face of the smallest size has 24 pixels. And a second pass finds faces that the first one misses,
such as profiles and faces behind hands: candidates away from the faces found so far, for which the second network has a
score above 0.2, are kept if the mean score of the last network over four views of them is at least 0.9.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avfer.models.card import Card
from avfer.models.detectors.mtcnn_networks import ONet, PNet, RNet, nms, roi_align, weight_path
from avfer.models.engine import Outputs, onnx_network
from avfer.models.network import Network
from avfer.signal.geometry import drop_duplicates, intersection_over_smaller

CELL = 12  # px, receptive field of one cell of the first network
STRIDE = 2  # px between two cells
FACTOR = 0.709  # from one pyramid level to the next
WORKING_FACE = 24  # px, smallest face in the copy that candidates are cropped from
MAX_CANDIDATES = 2048  # squares that the first network may propose, the best ones
MIN_SCORES = (0.6, 0.7, 0.7)  # of the three networks, as published
SECOND_SCORE = 0.2  # of the second network in the second pass
SURE_SCORE = 0.8  # of the last network: such a face needs no second pass
MIN_MEAN = 0.9  # of the last network's scores of four views in the second pass
VIEW = 0.85  # side of two of the views, as a share of that of the candidate
MAX_SHARED = 0.4  # share of the smaller box that a candidate of the second pass may share with a found face
MAX_COVER = 0.7  # share of the smaller of two boxes that the other may cover
PART = 24  # crops that pass a network at once; more are slower, as their activations leave the cache
BAND_BYTES = 16_000_000  # of the activations of the first network at once; larger levels pass it in bands
CHANNEL_BYTES = 80  # of these activations for each pixel: ten channels before and after the first PReLU
SIZES = (2, 4, 6, 8, 10, 12, 16, 20, PART)  # crops in a batch, after padding


Call = Callable[[Tensor], Sequence[Tensor]]  # a network: its input to its outputs


class Mtcnn(Network):
    """A cascade of three networks: `pnet` proposes, `rnet` rejects, `onet` decides and places five landmarks."""

    crop_size = 48  # px, input of `onet`
    side_margin = 1.0  # px: boxes of the published code include their last pixel
    landmark_shift = -1.0  # px: its pixels count from 1

    def __init__(self) -> None:
        super().__init__()
        self.pnet, self.rnet, self.onet = PNet(), RNet(), ONet()
        self.eval().requires_grad_(False)
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self._run_pnet: Call = lambda x: self.pnet.cells(x)
        self._run_rnet: Call = lambda x: self.rnet(x)
        self._run_onet: Call = lambda x: self.onet(x)

    @classmethod
    def card(cls) -> Card:
        """Return the card; there are no options."""
        return Card(
            name="mtcnn",
            task="faces and their landmarks",
            description="A cascade of three small networks, whose weights come with the package. `search` finds the"
            " faces of a picture of any size, `refine` places boxes and five landmarks where faces are known to be.",
            layout="networks as in the published code; resizing of levels and crops and the second look at rejected"
            " candidates are ours",
            data="WIDER FACE and CelebA in the paper",
            licence_code="MIT (networks), Apache-2.0 (cascade)",
            licence_weights="MIT",
            sources=[
                "Zhang, Zhang, Li, Qiao, IEEE SPL 2016, doi 10.1109/LSP.2016.2603342",
                "github.com/timesler/facenet-pytorch@787da061, package facenet-pytorch 2.5.3",
            ],
        )

    @classmethod
    def weight_paths(cls) -> tuple[Path, ...]:
        """Return the paths of the three files of weights. Raises MissingExtra without facenet-pytorch."""
        return tuple(weight_path(name) for name in ("pnet", "rnet", "onet"))

    def use_onnx(self) -> None:
        """Run the three networks by ONNX Runtime from now on. Raises MissingExtra if it is not installed."""
        pnet = onnx_network("mtcnn-pnet", self.pnet, _cell_outputs, (1, 3, 3 * CELL, 4 * CELL), free=(2, 3))
        rnet = onnx_network("mtcnn-rnet", self.rnet, _numbered_outputs, (2, 3, 24, 24))
        onet = onnx_network("mtcnn-onet", self.onet, _numbered_outputs, (2, 3, self.crop_size, self.crop_size))
        self._run_pnet = lambda x: tuple(pnet(x).values())
        self._run_rnet = lambda x: tuple(rnet(x).values())
        self._run_onet = lambda x: tuple(onet(x).values())

    def search(self, picture: Tensor, min_size: float) -> tuple[Tensor, Tensor]:
        """Return all faces of one picture from `min_size` pixels on.

        picture: (H, W, 3) uint8 RGB -> boxes (N, 4) float32 xyxy px, scores (N,) float32 in [0, 1], best first.
        """
        full = picture.permute(2, 0, 1)[None]
        scale = min(1.0, WORKING_FACE / min_size)
        working = _resized(full, scale)
        height, width = working.shape[2:]
        boxes = self._propose(working, CELL / (min_size * scale))
        pixels = _centred(working.to(boxes.device).contiguous())  # without the copy that roi_align would make
        offsets, candidate_scores = self._score_candidates(pixels, boxes)
        found, scores = self._decide(pixels, _best(boxes, offsets, candidate_scores, MIN_SCORES[1]))
        rest, sure = _best(boxes, offsets, candidate_scores, SECOND_SCORE), found[scores >= SURE_SCORE]
        more, more_scores = self._second_pass(pixels, rest, sure)
        found, scores = torch.cat([found, more]), torch.cat([scores, more_scores])
        keep = drop_duplicates(found, scores, MAX_COVER)
        stretch = boxes.new_tensor([full.shape[3] / width, full.shape[2] / height])
        return (found[keep] * stretch.repeat(2)).cpu(), scores[keep].cpu()

    def refine(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run the last network on squares that hold one face each.

        crops: (N, 3, 48, 48) uint8 RGB -> scores (N,) in [0, 1], box offsets (N, 4) as shares of the square's
        side, landmarks (N, 5, 2) as shares of it.
        """
        offsets, points, probabilities = run_in_parts(self._run_onet, self._normalised(crops))
        return probabilities[:, 1], offsets, points.reshape(-1, 2, 5).transpose(1, 2)

    def _normalised(self, pixels: Tensor) -> Tensor:
        """Move pixels to the networks' device. (N, 3, H, W) uint8 of the CPU -> float32 in [-1, 1]."""
        return _centred(pixels.to(self.pnet.conv1.weight.device).contiguous(memory_format=torch.channels_last))

    def _propose(self, working: Tensor, scale: float) -> Tensor:
        """Run the first network on a pyramid of resized pictures, and return candidate squares.

        working: (1, 3, H, W) uint8, scale: size of the first level over that of `working` -> (N, 4) xyxy px.
        """
        height, width = working.shape[2:]
        found: list[Tensor] = []
        level = working
        while min(height, width) * scale >= CELL:
            size = (int(height * scale + 1), int(width * scale + 1))
            level = F.interpolate(level, size, mode="bilinear", antialias=True)
            offsets, probabilities = self._scan(level)
            boxes = _face_cells(probabilities[0, 1], offsets[0], scale)
            found.append(boxes[nms(boxes[:, :4], boxes[:, 4], 0.5)])
            scale *= FACTOR
        if not found:
            return torch.zeros((0, 4), device=self.pnet.conv1.weight.device)
        boxes = torch.cat(found)
        boxes = boxes[nms(boxes[:, :4], boxes[:, 4], 0.7)][:MAX_CANDIDATES]
        side = boxes[:, 2:4] - boxes[:, :2]
        return _squares(boxes[:, :4] + boxes[:, 5:] * side.repeat(1, 2))

    def _scan(self, level: Tensor) -> tuple[Tensor, Tensor]:
        """Run the first network on one level, in horizontal bands if it is large; the values are the same.

        (1, 3, H, W) uint8, H and W >= 12 -> offsets (1, 4, R, C), probabilities (1, 2, R, C), one for each cell.
        """
        height, width = level.shape[2:]
        cells = -(-(height - 2) // STRIDE) - 4  # rows of the output: a pooling that rounds up, then two 3x3 filters
        band = max(1, BAND_BYTES // (CHANNEL_BYTES * STRIDE * width))
        offsets: list[Tensor] = []
        logits: list[Tensor] = []
        for top in range(0, cells, band):
            bottom = min(top + band, cells)
            x = self._normalised(level[:, :, STRIDE * top : STRIDE * bottom + CELL - STRIDE])
            band_offsets, band_logits = self._run_pnet(x)
            offsets.append(band_offsets)
            logits.append(band_logits)
        # The softmax is computed for all bands together, because its last bits depend on the shape.
        return torch.cat(offsets, 2), torch.cat(logits, 2).softmax(1)

    def _score_candidates(self, working: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Run the second network: candidates (N, 4) -> offsets of their corners (N, 4) and scores (N,)."""
        if not len(boxes):
            return boxes, boxes[:, 0]
        offsets, probabilities = run_in_parts(self._run_rnet, _crops(working, boxes, 24))
        return offsets, probabilities[:, 1]

    def _decide(self, working: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Run the third network: squares (N, 4) to boxes (M, 4) and scores (M,), without duplicates."""
        if not len(boxes):
            return boxes, boxes[:, 0]
        offsets, _, probabilities = run_in_parts(self._run_onet, _crops(working, boxes, self.crop_size))
        scores = probabilities[:, 1]
        keep = scores > MIN_SCORES[2]
        boxes, scores = _moved(boxes[keep], offsets[keep]), scores[keep]
        keep = drop_duplicates(boxes, scores, MAX_COVER)
        return boxes[keep], scores[keep]

    def _second_pass(self, working: Tensor, boxes: Tensor, sure: Tensor) -> tuple[Tensor, Tensor]:
        """Run the third network on four views of each square: as it is, mirrored, smaller, and smaller and mirrored.

        boxes: (N, 4) xyxy px, sure: (K, 4) faces that the first pass found -> boxes (M, 4) away from these whose mean
        score over the views is at least MIN_MEAN, and these means (M,).
        """
        boxes = boxes[_is_away(boxes, sure)]
        if not len(boxes):
            return boxes, boxes[:, 0]
        plain = _crops(working, boxes, self.crop_size)
        offsets, _, probabilities = run_in_parts(self._run_onet, plain)
        moved, scores = _moved(boxes, offsets), probabilities[:, 1]
        possible = (scores >= 4 * MIN_MEAN - 3) & _is_away(moved, sure)  # below, the mean is too low in any case
        if not possible.any():
            return boxes[:0], boxes[:0, 0]
        boxes, moved, plain, scores = boxes[possible], moved[possible], plain[possible], scores[possible]
        middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, VIEW * (boxes[:, 2:] - boxes[:, :2]) / 2
        smaller = _crops(working, torch.cat([middle - half, middle + half], 1), self.crop_size)
        *_, probabilities = run_in_parts(self._run_onet, torch.cat([plain.flip(3), smaller, smaller.flip(3)]))
        mean = (scores + probabilities[:, 1].reshape(3, -1).sum(0)) / 4
        return moved[mean >= MIN_MEAN], mean[mean >= MIN_MEAN]


def _cell_outputs(pnet: PNet, x: Tensor) -> Outputs:
    """Return the outputs of the first network without its softmax.

    x: (1, 3, H, W) float32 in [-1, 1] -> offsets (1, 4, R, C) and logits (1, 2, R, C), one for each cell.
    """
    offsets, logits = pnet.cells(x)
    return {"offsets": offsets, "logits": logits}


def _numbered_outputs(network: nn.Module, x: Tensor) -> Outputs:
    """Return the outputs of a network under names that keep their order. x: its input."""
    return {f"output{i}": output for i, output in enumerate(network(x))}


def run_in_parts(network: Call, crops: Tensor) -> list[Tensor]:
    """Run a network on crops, PART at once; the last batch is padded to one of SIZES.

    oneDNN caches a plan for every size of a batch, so memory would grow for minutes without padding.
    crops: (N, 3, S, S), N >= 1 -> outputs, (N, ...) each.
    """
    rest = len(crops) % PART
    missing = next(size for size in SIZES if size >= rest) - rest if rest else 0
    filled = F.pad(crops, (0, 0, 0, 0, 0, 0, 0, missing)).contiguous(memory_format=torch.channels_last)
    outputs = zip(*[network(part) for part in filled.split(PART)], strict=True)
    return [torch.cat(parts)[: len(crops)] for parts in outputs]


def _centred(pixels: Tensor) -> Tensor:
    """Return pixels in [-1, 1]; in place, because a 4K picture takes 100 MB.   (N, 3, H, W) uint8 -> float32"""
    return pixels.float().sub_(127.5).mul_(0.0078125)


def _resized(picture: Tensor, scale: float) -> Tensor:
    """Scale down with antialiasing: (1, 3, H, W) uint8 -> (1, 3, H', W') uint8."""
    if scale >= 1:
        return picture
    size = [max(1, round(side * scale)) for side in picture.shape[2:]]
    return F.interpolate(picture, size, mode="bilinear", antialias=True)


def _face_cells(scores: Tensor, offsets: Tensor, scale: float) -> Tensor:
    """Return the cells that may show a face: (N, 9) xyxy in px of the working picture, score, four offsets.

    scores: (R, C), offsets: (4, R, C) of the cells of a level; scale: size of the level over that of the working
    picture.
    """
    rows, cols = torch.nonzero(scores >= MIN_SCORES[0], as_tuple=True)
    corner = torch.stack([cols, rows], 1) * STRIDE
    boxes = torch.cat([((corner + 1) / scale).floor(), ((corner + CELL) / scale).floor()], 1)
    return torch.cat([boxes, scores[rows, cols, None], offsets[:, rows, cols].t()], 1)


def _best(boxes: Tensor, offsets: Tensor, scores: Tensor, min_score: float) -> Tensor:
    """Return boxes (N, 4) with scores (N,) above `min_score`, without those that a better one overlaps by an IoU > 0.7.

    Their corners are moved by offsets (N, 4), then the boxes are grown to squares: (M, 4) xyxy px.
    """
    keep = torch.nonzero(scores > min_score)[:, 0]
    keep = keep[nms(boxes[keep], scores[keep], 0.7)]
    return _squares(_moved(boxes[keep], offsets[keep]))


def _is_away(boxes: Tensor, found: Tensor) -> Tensor:
    """Return which boxes (N, 4) share at most MAX_SHARED of the smaller area with each found face (K, 4): (N,) bool."""
    return (intersection_over_smaller(boxes, found) <= MAX_SHARED).all(1)


def _squares(boxes: Tensor) -> Tensor:
    """Grow boxes (N, 4) to squares (N, 4) around their centres."""
    side = (boxes[:, 2:] - boxes[:, :2]).amax(1, keepdim=True)
    centre = (boxes[:, 2:] + boxes[:, :2]) / 2
    return torch.cat([centre - side / 2, centre + side / 2], 1)


def _moved(boxes: Tensor, offsets: Tensor) -> Tensor:
    """Move the corners of boxes (N, 4) by offsets (N, 4), shares of their sides."""
    side = boxes[:, 2:] - boxes[:, :2] + 1
    return boxes + offsets * side.repeat(1, 2)


def _crops(picture: Tensor, boxes: Tensor, side: int) -> Tensor:
    """Cut squares (N, 4), clipped at the border, from a picture (1, 3, H, W) float -> (N, 3, side, side), averaged."""
    height, width = picture.shape[2:]
    limit = boxes.new_tensor([width, height]).repeat(2)
    clipped = torch.minimum(boxes.trunc().clamp(min=0), limit)
    clipped[:, 2:] = torch.maximum(clipped[:, 2:], clipped[:, :2] + 1)
    return roi_align(picture, clipped, side).contiguous(memory_format=torch.channels_last)
