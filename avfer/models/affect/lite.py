"""gru_lite and linear_lite: the small affect models whose weights come with avfer. Their layout is our own."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avfer.models.affect.heads import AffectHeads
from avfer.models.card import Card
from avfer.models.network import AffectModel
from avfer.models.prediction import Prediction

TASK = "valence, arousal, expression, action units"
SPREAD = 0.3  # of the measures that a network reads, near that of the features of aver_lite
MIN_SPREAD = 1e-4  # of a measure, in its unit; one that varies less is constant and says nothing


class MeasuredFace(nn.Module):
    """Brings the measures of a face to mean 0 and spread SPREAD, where an unknown one counts as its mean.

    Training sets `centre` and `gain` by `fit`; they are saved with the weights and receive no gradient.

    num_face, num_measures: features and measures of a face.
    """

    centre: Tensor  # (M,), mean of the measures
    gain: Tensor  # (M,), SPREAD / spread of the measures, 0 for one that is never known or constant

    def __init__(self, num_face: int, num_measures: int) -> None:
        super().__init__()
        self.num_face = num_face
        self.register_buffer("centre", torch.zeros(num_measures), persistent=num_measures > 0)
        self.register_buffer("gain", torch.ones(num_measures), persistent=num_measures > 0)

    def fit(self, measures: Tensor) -> None:
        """Set mean and gain from the measures of faces: (N, M), NaN where unknown."""
        for column, values in enumerate(measures.unbind(1)):
            known = values[~values.isnan()]
            spread = float(known.std()) if len(known) > 1 else 0.0
            self.gain[column] = SPREAD / spread if spread > MIN_SPREAD else 0.0
            if len(known):
                self.centre[column] = known.mean()

    def forward(self, face: Tensor) -> Tensor:
        """Append unknown measures to features alone, and standardise the measures.

        face: (..., Df), or (..., Df + M), features, then measures, NaN where unknown -> (..., Df + M).
        """
        absent = self.num_face + len(self.centre) - face.shape[-1]
        face = F.pad(face, (0, absent), value=math.nan)
        measures = (face[..., self.num_face :] - self.centre) * self.gain
        return torch.cat([face[..., : self.num_face], measures.nan_to_num(0.0)], -1)


class GruLite(AffectModel):
    """A GRU (Cho et al. 2014) over face and voice, whose heads read the present input too.

    A missing face or voice is replaced by a learned vector, so that each modality can work alone.

    num_face, num_voice: features that are read; num_measures: measures of the face that follow its features;
    width_face, width_voice: features of their projections; width_hidden: of the GRU's state; num_classes,
    num_action_units: outputs of these heads, 0 for no head; dropout: share of the projected features dropped in
    training.
    """

    def __init__(
        self,
        num_face: int = 256,
        num_voice: int = 128,
        width_face: int = 128,
        width_voice: int = 64,
        width_hidden: int = 96,
        num_classes: int = 8,
        num_action_units: int = 17,
        dropout: float = 0.2,
        num_measures: int = 0,
    ) -> None:
        super().__init__()
        self.num_face, self.num_voice, self.num_measures = num_face, num_voice, num_measures
        self.dropout = dropout
        self.measured = MeasuredFace(num_face, num_measures)
        self.face = nn.Linear(num_face + num_measures, width_face)
        self.voice = nn.Linear(num_voice, width_voice)
        self.no_face = nn.Parameter(torch.zeros(width_face))
        self.no_voice = nn.Parameter(torch.zeros(width_voice))
        self.gru = nn.GRU(width_face + width_voice, width_hidden, batch_first=True)
        self.heads = AffectHeads(width_face + width_voice + width_hidden, num_classes, num_action_units)

    @classmethod
    def card(cls, num_face: int = 256, num_voice: int = 128, num_measures: int = 0, **options: Any) -> Card:
        """Return the card of a fresh network with these constructor options."""
        inputs = {"face": num_face, "voice": num_voice, "measures": num_measures}
        widths = {f"num_{name}": width for name, width in inputs.items()}
        read = {name: width for name, width in inputs.items() if width}
        return Card(name="gru_lite", task=TASK, description="", options=widths | options, inputs=read)

    def start(self, n: int) -> Tensor:
        """Return the zero state (n, H) of n new tracks."""
        return self.no_face.new_zeros(n, self.gru.hidden_size)

    def step(
        self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor, hidden: Tensor
    ) -> tuple[Prediction, Tensor]:
        """face: (N, Df + M), voice: (N, Dv), has_face, has_voice: (N,) bool, hidden: (N, H) -> N rows, hidden."""
        x = self._joined(face, voice, has_face, has_voice)
        weight_x, weight_h, bias_x, bias_h = self.gru.all_weights[0]
        hidden = torch.gru_cell(x, hidden, weight_x, weight_h, bias_x, bias_h)
        return self.heads(torch.cat([x, hidden], 1)), hidden

    def sequence(
        self,
        face: Tensor,
        voice: Tensor,
        has_face: Tensor,
        has_voice: Tensor,
        valid: Tensor | None = None,
        times: Tensor | None = None,
    ) -> Prediction:
        """face: (B, T, Df + M), voice: (B, T, Dv), has_face, has_voice: (B, T) bool -> (B, T) steps.

        `valid` rows come first, so that rows after them change none; `times` are not used.
        """
        x = self._joined(face, voice, has_face, has_voice)
        return self.heads(torch.cat([x, self.gru(x)[0]], 2))

    def _joined(self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor) -> Tensor:
        """(..., Df + M), (..., Dv), (...), (...) -> (..., W)."""
        from_face = torch.where(has_face[..., None], self.face(self.measured(face)), self.no_face)
        from_voice = torch.where(has_voice[..., None], self.voice(voice), self.no_voice)
        x = torch.cat([from_face, from_voice], -1).relu()
        return F.dropout(x, self.dropout) if self.training else x


class LinearLite(AffectModel):
    """One linear layer per output on the face of a single picture, without memory and without the voice.

    num_face: features that are read; num_measures: measures of the face that follow them; num_classes,
    num_action_units: outputs of these heads, 0 for no head.
    """

    def __init__(
        self, num_face: int = 256, num_classes: int = 8, num_action_units: int = 17, num_measures: int = 0
    ) -> None:
        super().__init__()
        self.measured = MeasuredFace(num_face, num_measures)
        self.heads = AffectHeads(num_face + num_measures, num_classes, num_action_units)

    @classmethod
    def card(cls, num_face: int = 256, num_measures: int = 0, **options: Any) -> Card:
        """Return the card of a fresh network with these constructor options."""
        read = {"face": num_face} | ({"measures": num_measures} if num_measures else {})
        widths = {"num_face": num_face, "num_measures": num_measures}
        return Card(name="linear_lite", task=TASK, description="", options=widths | options, inputs=read)

    def start(self, n: int) -> Tensor:
        """Return an empty state (n, 0)."""
        return next(self.heads.parameters()).new_zeros(n, 0)

    def step(
        self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor, hidden: Tensor
    ) -> tuple[Prediction, Tensor]:
        """face: (N, Df + M), hidden: (N, 0) -> N rows and `hidden`; the other arguments are not used."""
        return self.heads(self.measured(face)), hidden

    def sequence(
        self,
        face: Tensor,
        voice: Tensor,
        has_face: Tensor,
        has_voice: Tensor,
        valid: Tensor | None = None,
        times: Tensor | None = None,
    ) -> Prediction:
        """face: (B, T, Df + M) -> (B, T) steps, each row by itself; the other arguments are not used."""
        return self.heads(self.measured(face))
