"""gru_lite: face and voice read together over time."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avfer.models.affect.heads import AffectHeads
from avfer.models.network import AffectModel
from avfer.models.prediction import Prediction


class GruLite(AffectModel):
    """A gated recurrent unit (Cho et al. 2014) over face and voice, whose heads also see the present directly.

    A missing face or voice is replaced by a learned vector, so that each can speak alone.
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
        """(n, H) zeros."""
        return self.no_face.new_zeros(n, self.gru.hidden_size)

    def step(
        self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor, hidden: Tensor
    ) -> tuple[Prediction, Tensor]:
        """face (N, Df), voice (N, Dv), has_face (N,), has_voice (N,), hidden (N, H) -> outputs and hidden (N, H)."""
        x = self._read(face, voice, has_face, has_voice)
        into, within, bias_into, bias_within = self.gru.all_weights[0]
        hidden = torch.gru_cell(x, hidden, into, within, bias_into, bias_within)
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
        """The same over sequences, for training: (B, T, Df), (B, T, Dv), (B, T), (B, T) -> outputs (B, T, ...).

        `valid` rows come first, so that what follows them changes none; `times` are not read.
        """
        x = self._read(face, voice, has_face, has_voice)
        return self.heads(torch.cat([x, self.gru(x)[0]], 2))

    def _read(self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor) -> Tensor:
        looks = torch.where(has_face[..., None], self.face(face), self.no_face)
        sounds = torch.where(has_voice[..., None], self.voice(voice), self.no_voice)
        x = torch.cat([looks, sounds], -1).relu()
        return F.dropout(x, self.dropout) if self.training else x
