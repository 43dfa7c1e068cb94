"""aver: valence and arousal from face and voice, joined at each instant and read over time by an LSTM.

Schoneveld, Othmani, Abdelkawy, "Leveraging recent advances in deep learning for audio-visual emotion recognition",
Pattern Recognition Letters 146 (2021), arXiv 2103.09154. No code was published. Fusion before the recurrent network is
as in the paper; layers and sizes are our choice.
"""

from typing import Any

import torch
from torch import Tensor, nn

from avfer.models.affect.heads import AffectHeads, Projection
from avfer.models.affect.time_networks import Recurrent
from avfer.models.card import Card, Published, changed_options
from avfer.models.network import AffectModel
from avfer.models.prediction import Prediction

PUBLISHED = {  # (reads faces, reads voices) -> CCC of valence and of arousal on RECOLA
    (True, True): (0.63, 0.81),
    (True, False): (0.55, 0.57),
    (False, True): (0.46, 0.80),
}


class Aver(AffectModel):
    """The audio-visual model of AVER, causal in time.

    Each modality is projected, both are joined and read by an LSTM. While the face is hidden, the features of its last
    visible instant are repeated; before the first one, and without a voice, a learned vector is read instead.
    num_face=0 or num_voice=0 makes the model of one modality.

    width: features of each projection and of the LSTM's state; layers: of the LSTM; num_classes, num_action_units:
    outputs of these heads, 0 for no head; dropout: share of features dropped in training.
    """

    def __init__(
        self,
        num_face: int = 32,
        num_voice: int = 256,
        width: int = 128,
        layers: int = 2,
        num_classes: int = 0,
        num_action_units: int = 0,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        if not num_face and not num_voice:
            raise ValueError("num_face and num_voice are both 0: the model needs one of them")
        self.num_face, self.num_voice, self.width = num_face, num_voice, width
        self.face = Projection("face", num_face, width) if num_face else None
        self.voice = Projection("voice", num_voice, width) if num_voice else None
        self.no_face = nn.Parameter(torch.zeros(width)) if num_face else None
        self.no_voice = nn.Parameter(torch.zeros(width)) if num_voice else None
        self.dropout = nn.Dropout(dropout)
        self.time = Recurrent("lstm", width * (bool(num_face) + bool(num_voice)), width, layers, False, dropout)
        self.heads = AffectHeads(width, num_classes, num_action_units, scale="linear")

    @classmethod
    def card(cls, num_face: int = 32, num_voice: int = 256, **options: Any) -> Card:
        """Return the card for these constructor options."""
        widths = changed_options(Aver, num_face=num_face, num_voice=num_voice)
        return Card(
            name="aver",
            task="valence and arousal over time",
            description="Features of face and voice, joined and read by an LSTM of two layers, forward in time; made"
            " for aver_student and aver_voice, 25 rows a second. num_face=0 or num_voice=0 leaves one of them out;"
            " num_classes and num_action_units add heads.",
            options=widths | options,
            inputs={name: n for name, n in (("face", num_face), ("voice", num_voice)) if n},
            valence_arousal=True,
            layout="fusion before the recurrent network as in the paper; layers and sizes are our choice",
            data="RECOLA",
            licence_weights="none published",
            sources=["Schoneveld, Othmani, Abdelkawy, PRL 146 (2021) 1-7, arXiv 2103.09154"],
            published=[
                Published(data="RECOLA", value=value, mark="R", metric=f"CCC of {name}")
                for name, value in zip(("valence", "arousal"), PUBLISHED[bool(num_face), bool(num_voice)], strict=True)
            ],
        )

    def start(self, n: int) -> Tensor:
        """Return the state (n, H) of n new tracks: that of the LSTM, then the repeated face."""
        state = self.time.start(n)
        return state if self.no_face is None else torch.cat([state, self.no_face.expand(n, -1)], 1)

    def step(
        self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor, hidden: Tensor
    ) -> tuple[Prediction, Tensor]:
        """face: (N, Df), voice: (N, Dv), has_face, has_voice: (N,) bool, hidden: (N, H) -> N rows, hidden (N, H)."""
        state, last_face = hidden, hidden[:, :0]
        if self.face is not None:
            state, last_face = hidden[:, : -self.width], hidden[:, -self.width :]
            last_face = torch.where(has_face[:, None], self.face(face).relu(), last_face)
        joined = torch.cat([last_face, self._from_voice(voice, has_voice)], 1)
        output, state = self.time.step(self.dropout(joined), state)
        return self.heads(output), torch.cat([state, last_face], 1)

    def sequence(
        self,
        face: Tensor,
        voice: Tensor,
        has_face: Tensor,
        has_voice: Tensor,
        valid: Tensor | None = None,
        times: Tensor | None = None,
    ) -> Prediction:
        """face: (B, T, Df), voice: (B, T, Dv), has_face, has_voice, valid: (B, T) bool -> (B, T) steps.

        Valid rows of a sequence come first. `times` (B, T) s are not used: the model is made for one frame rate.
        """
        valid = torch.ones_like(has_face) if valid is None else valid
        times = torch.zeros(has_face.shape, device=has_face.device) if times is None else times
        x = torch.cat([self._from_face(face, has_face), self._from_voice(voice, has_voice)], -1)
        return self.heads(self.time(self.dropout(x), valid, times))

    def forward(self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor) -> Prediction:
        """Same as `sequence`: (B, T, Df), (B, T, Dv), (B, T), (B, T) -> (B, T) steps."""
        return self.sequence(face, voice, has_face, has_voice)

    def _from_face(self, face: Tensor, has_face: Tensor) -> Tensor:
        """(B, T, Df), (B, T) -> (B, T, W), for each row the last visible face so far; (B, T, 0) without faces."""
        if self.face is None or self.no_face is None:
            return face[..., :0]
        projected = torch.cat([self.no_face.expand(len(face), 1, -1), self.face(face).relu()], 1)
        rows = torch.arange(1, has_face.shape[1] + 1, device=face.device)
        last = torch.where(has_face, rows, 0).cummax(1).values
        return projected.gather(1, last[..., None].expand(-1, -1, self.width))

    def _from_voice(self, voice: Tensor, has_voice: Tensor) -> Tensor:
        """(..., Dv), (...) -> (..., W), or (..., 0) for a model without voices."""
        if self.voice is None or self.no_voice is None:
            return voice[..., :0]
        return torch.where(has_voice[..., None], self.voice(voice).relu(), self.no_voice)
