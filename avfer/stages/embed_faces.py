"""embed_faces: one feature vector per face, and the outputs of the heads that the backbone has."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from avfer.errors import ConfigError, WeightsError
from avfer.models.card import Card
from avfer.models.prediction import Prediction
from avfer.rows import concat, no_faces
from avfer.stage import Cards
from avfer.stages.buffers import split_blocks
from avfer.stages.face_network_stage import FaceNetworkStage
from avfer.types import FaceCrops, FaceFeatures

BATCH = 32  # faces in one forward pass


@dataclass
class EmbedFaces(FaceNetworkStage):
    """Compute features of every crop with a face backbone.

    Size, mean, standard deviation and colour order of the crops are those of its card.
    """

    backbone: str = "aver_lite"  # name in the catalog, or "package.module:Name" of a FaceNetwork

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.card.mean:
            raise ConfigError(f"backbone: the card of {self.backbone} must state mean and std of its crops")

    @property
    def feature_cards(self) -> Cards:
        """The card of the backbone, as that of the face features."""
        return {"face": self.card}

    def start(self) -> FaceCrops | None:
        """Return the state before the first frame: no crop waits for its block."""
        return None

    def step(self, state: FaceCrops | None, faces: FaceCrops) -> tuple[FaceCrops | None, FaceFeatures]:
        """Return the features of whole blocks of frames; the crops of an incomplete block wait in the state."""
        whole, rest = split_blocks(state, faces)
        if not whole:
            no_frames = rest.clock.part(rest.clock.first, rest.clock.first)
            return rest, FaceFeatures(no_faces(no_frames), *self._embed(rest.pixels[:0]))
        return rest, concat([FaceFeatures(block.faces, *self._embed(block.pixels)) for block in whole])

    def _embed(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """crops: (N, S, S, 3) uint8 RGB -> features (N, D), outputs of the heads (N, O)."""
        features = [torch.zeros((0, self.card.width("face")), device=self._device)]
        own = [torch.zeros((0, own_width(self.card)), device=self._device)]
        for part in crops.split(BATCH) if len(crops) else ():
            prediction = self._predict(part)
            features.append(_stated(self.card, "features", self.card.width("face"), prediction.features))
            own.append(own_outputs(self.card, prediction))
        return torch.cat(features), torch.cat(own)


def own_width(card: Card) -> int:
    """Return the number of columns of `own_outputs` for the network of a card.

    It is 0 for a video model: its heads belong to the affect model that reads its features over time.
    """
    return 0 if card.inputs else 2 * card.valence_arousal + len(card.classes) + len(card.action_units)


def own_outputs(card: Card, prediction: Prediction) -> Tensor:
    """Return the outputs of a backbone's heads as columns.

    -> (N, O): valence and arousal in [-1, 1] (2 columns), probabilities of the K classes, which sum to 1, and of the
    A action units; a head that the card does not name has no columns. Softmax and sigmoid are computed here, on
    batches counted from the start of the clip, because the last bits of exp depend on the shape of the batch.

    Raises WeightsError if a head has another width than the card states.
    """
    assert prediction.features is not None, "face networks return features"
    parts = [prediction.features[:, :0]]
    if card.inputs:  # a video model, see `own_width`
        return parts[0]
    if card.valence_arousal:
        parts.append(_stated(card, "valence_arousal", 2, prediction.valence_arousal).clamp(-1, 1))
    if card.classes:
        logits = _stated(card, "classes", len(card.classes), prediction.expression_logits)
        parts.append((logits / card.temperature).softmax(1))
    if card.action_units:
        parts.append(_stated(card, "action_units", len(card.action_units), prediction.action_unit_logits).sigmoid())
    return torch.cat(parts, 1)


def split_own_outputs(card: Card, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the three groups of the columns of `own_outputs` for the network of a card.

    outputs: (N, O) float32 -> valence and arousal (N, 2), NaN without a head for them; probabilities of the K classes
    (N, K); those of the A action units (N, A).
    """
    start = 2 * card.valence_arousal
    stop = start + len(card.classes)
    valence_arousal = outputs[:, :2] if start else np.full((len(outputs), 2), np.nan, np.float32)
    return valence_arousal, outputs[:, start:stop], outputs[:, stop:]


def _stated(card: Card, field: str, width: int, output: Tensor | None) -> Tensor:
    """Return an output (N, width) of a network. Raises WeightsError if the card states another width in a field."""
    found = 0 if output is None else output.shape[1]
    if output is None or found != width:
        raise WeightsError(
            f"the card of {card.name} states {width} outputs in {field}, but the network has {found}; correct the card"
        )
    return output
