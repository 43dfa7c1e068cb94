"""What the stages that run a face network share: the network is named by options, and loaded after the last check."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from avfer.models.card import Card
from avfer.models.engine import Engine, load_face_predictor
from avfer.models.network import FaceNetwork, find_network, normalised
from avfer.models.prediction import Prediction
from avfer.models.weights import locate, sha256
from avfer.option_types import option_errors


@dataclass
class FaceNetworkStage:
    """Base class of a stage that runs a face network of the catalog; a subclass gives `backbone` a default.

    Raises ConfigError if the network is unknown, WeightsError if its weights are missing.
    """

    backbone: str  # name in the catalog, or "package.module:Name" of a FaceNetwork
    weights: str = "builtin"  # "builtin", a path, or a URL with its sha256
    engine: Engine = "torch"  # what runs the network: torch, or onnx (ONNX Runtime) on a CPU, if the network allows it
    engine_used: Engine = field(default="torch", init=False, repr=False)  # set by load()
    card: Card = field(init=False, repr=False)  # of the weights
    _path: Path = field(init=False, repr=False)  # of the weights
    _predictor: Callable[[Tensor], Prediction] | None = field(default=None, init=False, repr=False)
    _device: torch.device = field(default=torch.device("cpu"), init=False, repr=False)

    def __post_init__(self) -> None:
        with option_errors("backbone"):
            find_network(self.backbone, FaceNetwork)
        self._path, self.card = locate(self.backbone, self.weights)

    def files(self) -> dict[str, str]:
        """Return the sha256 of the weight file by its name."""
        return {self._path.name: sha256(self._path)}

    def load(self, device: torch.device) -> None:
        """Build the network on a device and load its weights."""
        self._predictor, self.engine_used = load_face_predictor(
            self.backbone, self._path, self.card, self.engine, device
        )
        self._device = device

    @torch.inference_mode()
    def _predict(self, crops: Tensor) -> Prediction:
        """Return the outputs of the network for N faces. crops: (N, S, S, 3) uint8 RGB, on any device."""
        assert self._predictor is not None, "load() must be called first"
        return self._predictor(normalised(self.card, crops.to(self._device).permute(0, 3, 1, 2)))
