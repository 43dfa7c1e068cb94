"""gru_lite and linear_lite: the small affect models whose weights come with avfer. Their layout is our own."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avfer.models.affect.heads import AffectHeads
from avfer.models.network import AffectModel
from avfer.models.prediction import Prediction


class GruLite(AffectModel):
    """A GRU (Cho et al. 2014) over face and voice, whose heads read the present input too.

    A missing face or voice is replaced by a learned vector, so that each modality can work alone.

    num_face, num_voice: features that are read; width_face, width_voice: features of their projections; width_hidden:
    of the GRU's state; num_classes, num_action_units: outputs of these heads, 0 for no head; dropout: share of the
    projected features dropped in training.
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
    ) -> None:
        super().__init__()
        self.num_face, self.num_voice = num_face, num_voice
        self.dropout = dropout
        self.face = nn.Linear(num_face, width_face)
        self.voice = nn.Linear(num_voice, width_voice)
        self.no_face = nn.Parameter(torch.zeros(width_face))
        self.no_voice = nn.Parameter(torch.zeros(width_voice))
        self.gru = nn.GRU(width_face + width_voice, width_hidden, batch_first=True)
        self.heads = AffectHeads(width_face + width_voice + width_hidden, num_classes, num_action_units)

    def start(self, n: int) -> Tensor:
        """Return the zero state (n, H) of n new tracks."""
        return self.no_face.new_zeros(n, self.gru.hidden_size)

    def step(
        self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor, hidden: Tensor
    ) -> tuple[Prediction, Tensor]:
        """face: (N, Df), voice: (N, Dv), has_face, has_voice: (N,) bool, hidden: (N, H) -> N rows, hidden (N, H)."""
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
        """face: (B, T, Df), voice: (B, T, Dv), has_face, has_voice: (B, T) bool -> (B, T) steps.

        `valid` rows come first, so that rows after them change none; `times` are not used.
        """
        x = self._joined(face, voice, has_face, has_voice)
        return self.heads(torch.cat([x, self.gru(x)[0]], 2))

    def _joined(self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor) -> Tensor:
        """(..., Df), (..., Dv), (...), (...) -> (..., W)."""
        from_face = torch.where(has_face[..., None], self.face(face), self.no_face)
        from_voice = torch.where(has_voice[..., None], self.voice(voice), self.no_voice)
        x = torch.cat([from_face, from_voice], -1).relu()
        return F.dropout(x, self.dropout) if self.training else x


class LinearLite(AffectModel):
    """One linear layer per output on the face of a single picture, without memory and without the voice.

    num_face: features that are read; num_classes, num_action_units: outputs of these heads, 0 for no head.
    """

    def __init__(self, num_face: int = 256, num_classes: int = 8, num_action_units: int = 17) -> None:
        super().__init__()
        self.heads = AffectHeads(num_face, num_classes, num_action_units)

    def start(self, n: int) -> Tensor:
        """Return an empty state (n, 0)."""
        return next(self.heads.parameters()).new_zeros(n, 0)

    def step(
        self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor, hidden: Tensor
    ) -> tuple[Prediction, Tensor]:
        """face: (N, Df), hidden: (N, 0) -> N rows and `hidden`; the other arguments are not used."""
        return self.heads(face), hidden

    def sequence(
        self,
        face: Tensor,
        voice: Tensor,
        has_face: Tensor,
        has_voice: Tensor,
        valid: Tensor | None = None,
        times: Tensor | None = None,
    ) -> Prediction:
        """face: (B, T, Df) -> (B, T) steps, each row by itself; the other arguments are not used."""
        return self.heads(face)
