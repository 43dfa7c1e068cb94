"""temporal: affect from face and voice over time, built from a fusion, a network over time, and heads.

The combination is our own; the parts follow the papers that their classes name. Fusion of features before a recurrent
network is that of Schoneveld et al. 2021, arXiv 2103.09154.
"""

from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from avfer.models.affect.fusion import WAYS, Way
from avfer.models.affect.heads import AffectHeads, Projection, Scale
from avfer.models.affect.time_networks import Recurrent, Tcn, Transformer
from avfer.models.card import Card
from avfer.models.network import AffectModel
from avfer.models.prediction import Prediction
from avfer.models.tensor_files import rename_tensors

Time = Literal["none", "gru", "lstm", "tcn", "transformer"]
Fusion = Literal["concatenation", "gated", "cross_attention", "decision"]
STEP = 0.04  # s between two rows of unknown times
RENAMES = [  # names of version 0.1.0 -> ours
    (r"(\.layers\.\d+)\.ask\.", r"\1.qkv."),
    (r"(\.layers\.\d+)\.told\.", r"\1.output."),
    (r"(\.layers\.\d+)\.think\.", r"\1.mlp."),
]


@dataclass(frozen=True)
class _OverTime:
    """Options of the network over time."""

    time: Time
    layers: int
    centred: bool
    dropout: float


class Temporal(AffectModel):
    """Face and voice features, joined at each instant and read over time.

    fusion: how the features are joined, or "decision" to average the outputs of two models of one modality each.
    time: the network over time; "none" reads each instant by itself. bidirectional: recurrent networks read both
    directions, "tcn" and "transformer" are centred. modality_dropout: in training, the chance that one modality is
    hidden for a whole sequence. A missing face or voice is replaced by a learned vector. A modality with num_face=0 or
    num_voice=0 is not read; num_classes=0, num_action_units=0 and valence_arousal="none" leave out heads.

    width: features of each projection, and of the network over time; layers: of the network over time; dropout: share
    of features dropped in training.
    """

    def __init__(
        self,
        num_face: int = 256,
        num_voice: int = 128,
        fusion: Fusion = "concatenation",
        time: Time = "gru",
        width: int = 128,
        layers: int = 1,
        bidirectional: bool = False,
        num_classes: int = 0,
        num_action_units: int = 0,
        valence_arousal: Scale = "tanh",
        dropout: float = 0.3,
        modality_dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if not num_face and not num_voice:
            raise ValueError("num_face and num_voice are both 0: the model needs one of them")
        if not num_classes and not num_action_units and valence_arousal == "none":
            raise ValueError("the model has no head: set num_classes, num_action_units or valence_arousal")
        self.num_face, self.num_voice, self.modality_dropout = num_face, num_voice, modality_dropout
        both = bool(num_face and num_voice)
        heads = {"num_classes": num_classes, "num_action_units": num_action_units, "scale": valence_arousal}
        over = _OverTime(time, layers, bidirectional, dropout)
        if both and fusion == "decision":
            readers = [
                _Reader((num_face, 0), None, width, over, heads),
                _Reader((0, num_voice), None, width, over, heads),
            ]
            self.share: nn.Parameter | None = nn.Parameter(torch.zeros(()))  # weight of the face, before a sigmoid
        else:
            way = cast(Way, fusion) if both else None
            readers = [_Reader((num_face, num_voice), way, width, over, heads)]
            self.share = None
        self.readers = nn.ModuleList(readers)
        self.past, self.ahead, self.causal = readers[0].past, readers[0].ahead, readers[0].causal

    @classmethod
    def card(cls, num_face: int = 256, num_voice: int = 128, **options: Any) -> Card:
        """Return the card for these constructor options."""
        return Card(
            name="temporal",
            task="valence, arousal, expression, action units",
            description="Face and voice features joined and read over time; every part is an option.",
            options={"num_face": num_face, "num_voice": num_voice, **options},
            inputs={name: n for name, n in (("face", num_face), ("voice", num_voice)) if n},
            valence_arousal=options.get("valence_arousal", "tanh") != "none",
            layout="ours; the parts follow the papers that their classes name",
            sources=["Schoneveld et al. 2021, arXiv 2103.09154 (feature fusion before a recurrent network)"],
        )

    @classmethod
    def from_official(cls, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read a file of ours; layers of transformers had other names in version 0.1.0.

        tensors: name -> float tensor of its layer's shape.
        """
        return {}, rename_tensors(tensors, RENAMES)

    def start(self, n: int) -> Tensor:
        """Return the state (n, H) of n new tracks."""
        return torch.cat([reader.start(n) for reader in self._readers()], 1)

    def step(
        self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor, hidden: Tensor
    ) -> tuple[Prediction, Tensor]:
        """Compute one instant; only for causal models.

        face: (N, Df), voice: (N, Dv), has_face, has_voice: (N,) bool, hidden: (N, H) -> N rows, hidden (N, H).
        """
        states = hidden.chunk(len(self.readers), 1)
        results = [
            reader.step(face, voice, has_face, has_voice, state)
            for reader, state in zip(self._readers(), states, strict=True)
        ]
        prediction = self._decide([prediction for prediction, _ in results], has_face, has_voice)
        return prediction, torch.cat([state for _, state in results], 1)

    def sequence(
        self,
        face: Tensor,
        voice: Tensor,
        has_face: Tensor,
        has_voice: Tensor,
        valid: Tensor | None = None,
        times: Tensor | None = None,
    ) -> Prediction:
        """Compute T instants of B sequences.

        face: (B, T, Df), voice: (B, T, Dv), has_face, has_voice, valid: (B, T) bool, times: (B, T) s -> (B, T) steps.

        Valid rows of a sequence come first; outputs of the other rows have no meaning.
        """
        if valid is None:
            valid = torch.ones_like(has_face)
        if times is None:
            times = (torch.arange(has_face.shape[1], device=face.device) * STEP).expand(has_face.shape)
        if self.training:
            has_face, has_voice = self._hidden(has_face, has_voice)
        predictions = [reader(face, voice, has_face, has_voice, valid, times) for reader in self._readers()]
        return self._decide(predictions, has_face, has_voice)

    def forward(self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor) -> Prediction:
        """Same as `sequence`: (B, T, Df), (B, T, Dv), (B, T), (B, T) -> (B, T) steps."""
        return self.sequence(face, voice, has_face, has_voice)

    def _readers(self) -> list["_Reader"]:
        return [cast(_Reader, reader) for reader in self.readers]

    def _hidden(self, has_face: Tensor, has_voice: Tensor) -> tuple[Tensor, Tensor]:
        """Hide one modality of a sequence with the chance `modality_dropout`, never both: (B, T), (B, T) bool."""
        if not self.modality_dropout or not (self.num_face and self.num_voice):
            return has_face, has_voice
        drawn = torch.rand(len(has_face), 1, device=has_face.device) / self.modality_dropout
        return has_face & (drawn >= 0.5), has_voice & ((drawn < 0.5) | (drawn >= 1.0))

    def _decide(self, predictions: list[Prediction], has_face: Tensor, has_voice: Tensor) -> Prediction:
        """Average the predictions of face and voice; a missing modality has weight 0."""
        if self.share is None:
            return predictions[0]
        alone = torch.where(has_voice, 0.0, 1.0)
        share = torch.where(has_face & has_voice, self.share.sigmoid(), alone)[..., None]
        return Prediction.merge(predictions, lambda outputs: share * outputs[0] + (1 - share) * outputs[1])


class _Reader(nn.Module):
    """Features to outputs: projected, joined, read over time; the heads read the joined features of the instant too."""

    def __init__(
        self, inputs: tuple[int, int], way: Way | None, width: int, over: _OverTime, heads: dict[str, Any]
    ) -> None:
        super().__init__()
        num_face, num_voice = inputs
        self.face = Projection("face", num_face, width) if num_face else None
        self.voice = Projection("voice", num_voice, width) if num_voice else None
        self.no_face = nn.Parameter(torch.zeros(width)) if num_face else None
        self.no_voice = nn.Parameter(torch.zeros(width)) if num_voice else None
        self.join = WAYS[way](width) if way else None
        self.dropout = nn.Dropout(over.dropout)
        joined = self.join.width if self.join else width
        self.time = _time_network(over, joined, width)
        self.past, self.ahead = (self.time.past, self.time.ahead) if self.time else (0, 0)
        self.causal = self.time is None or self.time.causal
        self.heads = AffectHeads(joined + (self.time.width if self.time else 0), **heads)

    def forward(
        self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor, valid: Tensor, times: Tensor
    ) -> Prediction:
        """(B, T, Df), (B, T, Dv), three times (B, T) bool, (B, T) s -> (B, T) steps."""
        x = self._joined(face, voice, has_face, has_voice)
        return self.heads(torch.cat([x, self.time(x, valid, times)], -1) if self.time else x)

    def start(self, n: int) -> Tensor:
        """Return the state (n, H)."""
        if isinstance(self.time, Recurrent) and self.causal:
            return self.time.start(n)
        return next(self.parameters()).new_zeros(n, 0)

    def step(
        self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor, state: Tensor
    ) -> tuple[Prediction, Tensor]:
        """(N, Df), (N, Dv), (N,) bool, (N,) bool, (N, H) -> N rows, state (N, H)."""
        x = self._joined(face, voice, has_face, has_voice)
        if self.time is None:
            return self.heads(x), state
        if not isinstance(self.time, Recurrent):
            raise TypeError("this model reads stretches and has no step; call sequence()")
        output, state = self.time.step(x, state)
        return self.heads(torch.cat([x, output], 1)), state

    def _joined(self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor) -> Tensor:
        """(..., Df), (..., Dv), (...), (...) -> (..., W)."""
        projected = [
            torch.where(there[..., None], project(x), missing)
            for project, x, there, missing in (
                (self.face, face, has_face, self.no_face),
                (self.voice, voice, has_voice, self.no_voice),
            )
            if project is not None and missing is not None
        ]
        active = [self.dropout(x.relu()) for x in projected]
        return self.join(*active) if self.join else active[0]


def _time_network(over: _OverTime, inputs: int, width: int) -> Recurrent | Tcn | Transformer | None:
    """Return the network over time (B, T, inputs) -> (B, T, width or 2 width); None for "none"."""
    if over.time == "gru" or over.time == "lstm":
        return Recurrent(over.time, inputs, width, over.layers, over.centred, over.dropout)
    if over.time == "tcn":
        return Tcn(inputs, width, over.layers, over.centred, over.dropout)
    if over.time == "transformer":
        return Transformer(inputs, width, over.layers, over.centred, over.dropout)
    return None
