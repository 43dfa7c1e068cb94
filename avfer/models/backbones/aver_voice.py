"""aver_voice: the sound network of AVER, VGGish made to tell valence and arousal."""

from typing import Any

import torch
from torch import Tensor, nn

from avfer.models.backbones.vggish import Vggish, convolutions
from avfer.models.card import Card, changed_options
from avfer.models.network import AffectModel, StartPart, VoiceNetwork
from avfer.models.prediction import Prediction

MAPS = 512  # of the trunk


class AverVoice(VoiceNetwork, AffectModel):
    """The audio network of Schoneveld et al., Pattern Recognition Letters 146 (2021), arXiv 2103.09154.

    How the paper changed VGGish is not known; ours keeps its convolutions and averages their maps. In a pipeline it is
    the backbone of the voice, and with the same weights the affect model too, where nothing else reads the voice.
    """

    def __init__(self, num_features: int = 256, dropout: float = 0.3) -> None:
        super().__init__()
        self.trunk = convolutions()
        for layer in self.trunk:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        self.embedding = nn.Linear(MAPS, num_features)
        self.dropout = nn.Dropout(dropout)
        self.valence_arousal = nn.Linear(num_features, 2)

    @classmethod
    def card(cls, num_features: int = 256, dropout: float = 0.3) -> Card:
        told = {"num_features": (num_features, 256), "dropout": (dropout, 0.3)}
        return Card(
            name="aver_voice",
            task="valence and arousal of the voice, and features",
            description="The convolutions of VGGish, their maps averaged over time and frequency, and a layer of"
            " features; fine-tuned on RECOLA. `start: {pretrained: FILE}` takes the convolutions from vggish.",
            options=changed_options(told),
            inputs={"voice": num_features},
            trained_on={"voice": "aver_voice"},
            features=num_features,
            valence_arousal=True,
            layout="convolutions as in VGGish; what follows them is our choice",
            onnx=True,
            data="AudioSet's precursor (trunk), RECOLA",
            licence_weights="none published",
            sources=["Schoneveld, Othmani, Abdelkawy, PRL 146 (2021) 1-7, arXiv 2103.09154"],
        )

    @staticmethod
    def from_official(tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """No official weights are public: tensors are our own, and tell their form."""
        bias = tensors.get("embedding.bias")
        return {} if bias is None else {"num_features": len(bias)}, tensors

    def start_parts(self) -> dict[str, StartPart]:
        """Return "pretrained", a file of vggish."""
        return {"pretrained": StartPart(self.start_pretrained, network="vggish")}

    def start_pretrained(self, pretrained: Vggish) -> None:
        """Load the convolutions of VGGish."""
        self.trunk.load_state_dict(pretrained.trunk.state_dict())

    def features(self, patches: Tensor) -> Tensor:
        """patches: (N, 1, 96, 64) log-mel, time before frequency -> (N, 256)."""
        return self.embedding(self.trunk(patches).mean((2, 3))).relu()

    def forward(self, patches: Tensor) -> Tensor:
        """patches: (N, 1, 96, 64) -> (N, 2) valence and arousal, held to [-1, 1] where it is not in training."""
        return self._pair(self.features(patches))

    def start(self, n: int) -> Tensor:
        """(n, 0): it remembers nothing."""
        return self.embedding.weight.new_zeros(n, 0)

    def step(
        self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor, hidden: Tensor
    ) -> tuple[Prediction, Tensor]:
        """voice: (N, D) features; the rest is not read -> outputs (N,), hidden (N, 0)."""
        return self.sequence(face, voice, has_face, has_voice), hidden

    def sequence(
        self,
        face: Tensor,
        voice: Tensor,
        has_face: Tensor,
        has_voice: Tensor,
        valid: Tensor | None = None,
        times: Tensor | None = None,
    ) -> Prediction:
        """voice: (..., D) features, of single rows or of sequences; the rest is not read -> outputs (...)."""
        return Prediction(valence_arousal=self._pair(torch.where(has_voice[..., None], voice, 0.0)))

    def _pair(self, features: Tensor) -> Tensor:
        pair = self.valence_arousal(self.dropout(features))
        return pair if self.training else pair.clamp(-1, 1)
