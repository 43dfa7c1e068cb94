"""aver_voice: the audio network of AVER, VGGish fine-tuned for valence and arousal.

Schoneveld, Othmani, Abdelkawy, Pattern Recognition Letters 146 (2021), arXiv 2103.09154. No code was published. The
paper's changes of VGGish are not known: ours keeps its convolutions; the average of their maps, the layer of features
and the clamp of outputs are our choice.
"""

from typing import Any

import torch
from torch import Tensor, nn

from avfer.models.backbones.vggish import Vggish, convolutions
from avfer.models.card import Card, changed_options
from avfer.models.network import AffectModel, StartPart, VoiceNetwork
from avfer.models.prediction import Prediction

MAPS = 512  # of the trunk


class AverVoice(VoiceNetwork, AffectModel):
    """The convolutions of VGGish, a layer of features, and a linear output of valence and arousal.

    In a pipeline it is the backbone of the voice. With the same weights it can be the affect model too, if no other
    model reads the voice.

    num_features: units of the layer of features; dropout: share of them dropped in training.
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
        """Return the card for these constructor options."""
        return Card(
            name="aver_voice",
            task="valence and arousal of the voice, and features",
            description="The convolutions of VGGish, their maps averaged over time and frequency, and a layer of"
            " features; fine-tuned on RECOLA. `start: {pretrained: FILE}` takes the convolutions from vggish.",
            options=changed_options(AverVoice, num_features=num_features, dropout=dropout),
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

    @classmethod
    def from_official(cls, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read one of our own files; no official weights are public.

        tensors: name -> float tensor of its layer's shape.
        """
        bias = tensors.get("embedding.bias")
        return {} if bias is None else {"num_features": len(bias)}, tensors

    def start_parts(self) -> dict[str, StartPart]:
        """Return "pretrained", a file of vggish."""
        return {"pretrained": StartPart(self.start_pretrained, network="vggish")}

    def start_pretrained(self, pretrained: Vggish) -> None:
        """Load the convolutions of VGGish."""
        self.trunk.load_state_dict(pretrained.trunk.state_dict())

    def features(self, patches: Tensor) -> Tensor:
        """patches: (N, 1, 96, 64) log-mel, time before frequency -> features (N, D)."""
        return self.embedding(self.trunk(patches).mean((2, 3))).relu()

    def forward(self, patches: Tensor) -> Tensor:
        """patches: (N, 1, 96, 64) -> valence and arousal (N, 2), clamped to [-1, 1] outside of training."""
        return self._valence_arousal(self.features(patches))

    def start(self, n: int) -> Tensor:
        """Return an empty state (n, 0)."""
        return self.embedding.weight.new_zeros(n, 0)

    def step(
        self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor, hidden: Tensor
    ) -> tuple[Prediction, Tensor]:
        """voice: (N, D) features, has_voice: (N,) bool -> N rows, hidden (N, 0); faces are not used."""
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
        """voice: (..., D) features, has_voice: (...) bool -> outputs (..., 2), row by row; faces are not used."""
        return Prediction(valence_arousal=self._valence_arousal(torch.where(has_voice[..., None], voice, 0.0)))

    def _valence_arousal(self, features: Tensor) -> Tensor:
        """(..., D) -> (..., 2)."""
        values = self.valence_arousal(self.dropout(features))
        return values if self.training else values.clamp(-1, 1)
