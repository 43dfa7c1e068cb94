"""embed_faces: one vector per face, and what the network itself tells of it."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from avfer.models.card import Card
from avfer.models.network import FaceNetwork, find_network
from avfer.models.prediction import Prediction
from avfer.models.weights import load_into, locate, sha256
from avfer.rows import concat, no_faces
from avfer.stage import Cards
from avfer.stages.buffers import split_blocks
from avfer.types import FaceCrops, FaceFeatures

BATCH = 32  # faces at once


@dataclass
class EmbedFaces:
    """Read every crop with a face backbone; size, mean, std and colour order are those of its card."""

    backbone: str = "aver_lite"
    weights: str = "builtin"
    card: Card = field(init=False, repr=False)
    _path: Path = field(init=False, repr=False)
    _network: FaceNetwork | None = field(default=None, init=False, repr=False)
    _device: torch.device = field(default=torch.device("cpu"), init=False, repr=False)

    def __post_init__(self) -> None:
        find_network(self.backbone, FaceNetwork)
        self._path, self.card = locate(self.backbone, self.weights)

    @property
    def makes(self) -> Cards:
        """The network whose features these are."""
        return {"face": self.card}

    def files(self) -> dict[str, str]:
        """The weight file and its sha256."""
        return {self._path.name: sha256(self._path)}

    def load(self, device: torch.device) -> None:
        """Build the network and put its weights on the device."""
        network = find_network(self.backbone, FaceNetwork)(**self.card.options)
        load_into(network, self._path, self.card)
        network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self._network = network
        self._device = device

    def start(self) -> FaceCrops | None:
        """No block is open."""
        return None

    def step(self, state: FaceCrops | None, faces: FaceCrops) -> tuple[FaceCrops | None, FaceFeatures]:
        """Features of whole blocks of frames; the crops of an open block are kept."""
        whole, rest = split_blocks(state, faces)
        if not whole:
            nothing = rest.clock.part(rest.clock.first, rest.clock.first)
            return rest, FaceFeatures(no_faces(nothing), *self._embed(rest.pixels[:0]))
        return rest, concat([FaceFeatures(block.faces, *self._embed(block.pixels)) for block in whole])

    def _embed(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """crops: (N, S, S, 3) uint8 RGB -> features (N, D), what the network tells (N, O)."""
        features = [torch.zeros((0, self.card.width("face")), device=self._device)]
        own = [torch.zeros((0, own_width(self.card)), device=self._device)]
        for part in crops.split(BATCH) if len(crops) else ():
            prediction = self._predict(normalised(self.card, part.to(self._device).permute(0, 3, 1, 2)))
            assert prediction.features is not None, "face networks return features"
            features.append(prediction.features)
            own.append(own_outputs(self.card, prediction))
        return torch.cat(features), torch.cat(own)

    @torch.inference_mode()
    def _predict(self, crops: Tensor) -> Prediction:
        assert self._network is not None, "load() must be called first"
        return self._network.predict(crops)


def normalised(card: Card, pixels: Tensor) -> Tensor:
    """(N, 3, H, W) RGB in [0, 255] -> float32, in the colour order of the card, less its mean, over its std."""
    mean = torch.tensor(card.mean, device=pixels.device)[:, None, None] * 255
    std = torch.tensor(card.std, device=pixels.device)[:, None, None] * 255
    return ((pixels.flip(1) if card.colour == "bgr" else pixels) - mean) / std


def own_width(card: Card) -> int:
    """Columns of what a network tells itself; a video model, which reads its own features over time, tells nothing."""
    return 0 if card.inputs else 2 * card.valence_arousal + len(card.classes) + len(card.action_units)


def own_outputs(card: Card, prediction: Prediction) -> Tensor:
    """(N, O): valence and arousal in [-1, 1], probabilities of the classes, of the action units.

    Here, where batches are counted from the start of the clip: the last bits of exp depend on the shape it is given.
    """
    assert prediction.features is not None, "face networks return features"
    parts = [prediction.features[:, :0]]
    if card.valence_arousal and prediction.valence_arousal is not None:
        parts.append(prediction.valence_arousal.clamp(-1, 1))
    if card.classes and prediction.expression_logits is not None:
        parts.append(prediction.expression_logits.softmax(1))
    if card.action_units and prediction.action_unit_logits is not None:
        parts.append(prediction.action_unit_logits.sigmoid())
    return torch.cat(parts, 1)
