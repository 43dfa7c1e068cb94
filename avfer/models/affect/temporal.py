"""temporal: affect from face and voice over time, put together from a fusion, a network over time, and heads."""

from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from avfer.models.affect.fusion import WAYS, Way
from avfer.models.affect.heads import AffectHeads, Scale
from avfer.models.affect.projection import Projection
from avfer.models.affect.recurrent import Recurrent
from avfer.models.affect.tcn import Tcn
from avfer.models.affect.transformer import Transformer
from avfer.models.card import Card
from avfer.models.network import AffectModel
from avfer.models.prediction import Prediction

Time = Literal["none", "gru", "lstm", "tcn", "transformer"]
Fusion = Literal["concatenation", "gated", "cross_attention", "decision"]
STEP = 0.04  # s between two rows, where no times are given


class Temporal(AffectModel):
    """Face and voice features, joined instant by instant, read over time.

    `fusion` joins the features, or, as "decision", the results of two readers that see or hear alone. `time` is the
    network over time; "none" reads each instant by itself. `bidirectional` recurrent networks and `centred` ones look
    `ahead` so many rows; the others give a row as soon as it comes. A missing face or voice is replaced by a learned
    vector, and in training a modality is hidden for a whole sequence with the chance `modality_dropout`, so that each
    can speak alone.
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
            raise ValueError("it reads neither face nor voice: give num_face or num_voice")
        if not num_classes and not num_action_units and valence_arousal == "none":
            raise ValueError("it tells nothing: give num_classes, num_action_units or valence_arousal")
        self.num_face, self.num_voice, self.modality_dropout = num_face, num_voice, modality_dropout
        both = bool(num_face and num_voice)
        heads = {"num_classes": num_classes, "num_action_units": num_action_units, "scale": valence_arousal}
        over: dict[str, Any] = {"time": time, "layers": layers, "centred": bidirectional, "dropout": dropout}
        if both and fusion == "decision":
            readers = [
                _Reader((num_face, 0), None, width, over, heads),
                _Reader((0, num_voice), None, width, over, heads),
            ]
            self.share: nn.Parameter | None = nn.Parameter(torch.zeros(()))  # of the face, before a sigmoid
        else:
            way = cast(Way, fusion) if both else None
            readers = [_Reader((num_face, num_voice), way, width, over, heads)]
            self.share = None
        self.readers = nn.ModuleList(readers)
        self.past, self.ahead, self.causal = readers[0].past, readers[0].ahead, readers[0].causal

    @classmethod
    def card(cls, num_face: int = 256, num_voice: int = 128, **options: Any) -> Card:
        told: dict[str, Any] = {"num_face": num_face, "num_voice": num_voice, **options}
        return Card(
            name="temporal",
            task="valence, arousal, expression, action units",
            description="Face and voice features joined and read over time; every part is an option.",
            options=told,
            inputs={name: n for name, n in (("face", num_face), ("voice", num_voice)) if n},
            valence_arousal=options.get("valence_arousal", "tanh") != "none",
            layout="ours; the parts follow the papers that their classes name",
            sources=["Schoneveld et al. 2021, arXiv 2103.09154 (feature fusion before a recurrent network)"],
        )

    def start(self, n: int) -> Tensor:
        """The hidden state (n, H) of rows not seen before."""
        return torch.cat([reader.start(n) for reader in self._readers()], 1)

    def step(
        self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor, hidden: Tensor
    ) -> tuple[Prediction, Tensor]:
        """face (N, Df), voice (N, Dv), has_face (N,), has_voice (N,), hidden (N, H) -> outputs and hidden (N, H).

        For causal models (`self.causal`); the others read stretches by `sequence`.
        """
        parts = hidden.chunk(len(self.readers), 1)
        told = [
            reader.step(face, voice, has_face, has_voice, part)
            for reader, part in zip(self._readers(), parts, strict=True)
        ]
        return self._decide([out for out, _ in told], has_face, has_voice), torch.cat([state for _, state in told], 1)

    def sequence(
        self,
        face: Tensor,
        voice: Tensor,
        has_face: Tensor,
        has_voice: Tensor,
        valid: Tensor | None = None,
        times: Tensor | None = None,
    ) -> Prediction:
        """face (B, T, Df), voice (B, T, Dv), has_face, has_voice, valid (B, T) bool, times (B, T) s -> (B, T, ...).

        Valid rows of a sequence come first; what is given of the others means nothing.
        """
        if valid is None:
            valid = torch.ones_like(has_face)
        if times is None:
            times = (torch.arange(has_face.shape[1], device=face.device) * STEP).expand(has_face.shape)
        if self.training:
            has_face, has_voice = self._hidden(has_face, has_voice)
        told = [reader(face, voice, has_face, has_voice, valid, times) for reader in self._readers()]
        return self._decide(told, has_face, has_voice)

    def forward(self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor) -> Prediction:
        """As `sequence`."""
        return self.sequence(face, voice, has_face, has_voice)

    def _readers(self) -> list["_Reader"]:
        return [cast(_Reader, reader) for reader in self.readers]

    def _hidden(self, has_face: Tensor, has_voice: Tensor) -> tuple[Tensor, Tensor]:
        """For each sequence one of the two is hidden with the chance `modality_dropout`; never both."""
        if not self.modality_dropout or not (self.num_face and self.num_voice):
            return has_face, has_voice
        drawn = torch.rand(len(has_face), 1, device=has_face.device) / self.modality_dropout
        return has_face & (drawn >= 0.5), has_voice & ((drawn < 0.5) | (drawn >= 1.0))

    def _decide(self, told: list[Prediction], has_face: Tensor, has_voice: Tensor) -> Prediction:
        """One result of two, weighted; where one modality is missing, that of the other."""
        if self.share is None:
            return told[0]
        alone = torch.where(has_voice, 0.0, 1.0)
        share = torch.where(has_face & has_voice, self.share.sigmoid(), alone)
        share = share[..., None]
        return Prediction.merge(told, lambda outputs: share * outputs[0] + (1 - share) * outputs[1])


class _Reader(nn.Module):
    """Features to affect: projected, joined, read over time, told by heads that see the present directly too."""

    def __init__(
        self, inputs: tuple[int, int], way: Way | None, width: int, over: dict[str, Any], heads: dict[str, Any]
    ) -> None:
        super().__init__()
        num_face, num_voice = inputs
        self.face = Projection(num_face, width) if num_face else None
        self.voice = Projection(num_voice, width) if num_voice else None
        self.no_face = nn.Parameter(torch.zeros(width)) if num_face else None
        self.no_voice = nn.Parameter(torch.zeros(width)) if num_voice else None
        self.join = WAYS[way](width) if way else None
        self.dropout = nn.Dropout(over["dropout"])
        joined = self.join.width if self.join else width
        self.time = _over_time(over, joined, width)
        self.past, self.ahead = (self.time.past, self.time.ahead) if self.time else (0, 0)
        self.causal = self.time is None or self.time.causal
        self.heads = AffectHeads(joined + (self.time.width if self.time else 0), **heads)

    def forward(
        self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor, valid: Tensor, times: Tensor
    ) -> Prediction:
        x = self._read(face, voice, has_face, has_voice)
        return self.heads(torch.cat([x, self.time(x, valid, times)], -1) if self.time else x)

    def start(self, n: int) -> Tensor:
        if isinstance(self.time, Recurrent) and self.causal:
            return self.time.start(n)
        return next(self.parameters()).new_zeros(n, 0)

    def step(
        self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor, state: Tensor
    ) -> tuple[Prediction, Tensor]:
        x = self._read(face, voice, has_face, has_voice)
        if self.time is None:
            return self.heads(x), state
        if not isinstance(self.time, Recurrent):
            raise TypeError("this model reads stretches; call sequence()")
        read, state = self.time.step(x, state)
        return self.heads(torch.cat([x, read], 1)), state

    def _read(self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor) -> Tensor:
        given = [
            torch.where(there[..., None], project(x), missing)
            for project, x, there, missing in (
                (self.face, face, has_face, self.no_face),
                (self.voice, voice, has_voice, self.no_voice),
            )
            if project is not None and missing is not None
        ]
        x = [self.dropout(x.relu()) for x in given]
        return self.join(*x) if self.join else x[0]


def _over_time(over: dict[str, Any], inputs: int, width: int) -> Recurrent | Tcn | Transformer | None:
    time: Time = over["time"]
    layers, centred, dropout = over["layers"], over["centred"], over["dropout"]
    if time == "gru" or time == "lstm":
        return Recurrent(time, inputs, width, layers, centred, dropout)
    if time == "tcn":
        return Tcn(inputs, width, layers, centred, dropout)
    if time == "transformer":
        return Transformer(inputs, width, layers, centred, dropout)
    return None
