"""aver: valence and arousal from face and voice, joined instant by instant and read over time by an LSTM."""

from typing import Any

import torch
from torch import Tensor, nn

from avfer.models.affect.heads import AffectHeads
from avfer.models.affect.projection import Projection
from avfer.models.affect.recurrent import Recurrent
from avfer.models.card import Card, Published
from avfer.models.network import AffectModel
from avfer.models.prediction import Prediction

PUBLISHED = {  # (reads faces, hears) -> CCC of valence and of arousal on RECOLA
    (True, True): (0.63, 0.81),
    (True, False): (0.55, 0.57),
    (False, True): (0.46, 0.80),
}


class Aver(AffectModel):
    """Model-level fusion of Schoneveld et al., Pattern Recognition Letters 146 (2021), arXiv 2103.09154.

    Each modality is projected, both are joined and read by an LSTM, forward in time alone. Where the face is hidden
    the last one seen is held; before the first, and where no voice is, a learned vector stands. num_face=0 or
    num_voice=0 makes the model of one modality. Sizes are our choice.
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
            raise ValueError("it reads neither face nor voice: give num_face or num_voice")
        self.num_face, self.num_voice, self.width = num_face, num_voice, width
        self.face = Projection(num_face, width) if num_face else None
        self.voice = Projection(num_voice, width) if num_voice else None
        self.no_face = nn.Parameter(torch.zeros(width)) if num_face else None
        self.no_voice = nn.Parameter(torch.zeros(width)) if num_voice else None
        self.dropout = nn.Dropout(dropout)
        self.time = Recurrent("lstm", width * (bool(num_face) + bool(num_voice)), width, layers, False, dropout)
        self.heads = AffectHeads(width, num_classes, num_action_units, scale="linear")

    @classmethod
    def card(cls, num_face: int = 32, num_voice: int = 256, **options: Any) -> Card:
        told = {"num_face": (num_face, 32), "num_voice": (num_voice, 256)}
        return Card(
            name="aver",
            task="valence and arousal over time",
            description="Features of face and voice, joined and read by an LSTM of two layers, forward in time; made"
            " for aver_student and aver_voice, 25 rows a second. num_face=0 or num_voice=0 leaves one of them out;"
            " num_classes and num_action_units add heads.",
            options={name: value for name, (value, default) in told.items() if value != default} | options,
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
        """The hidden state (n, H) of rows not seen before: of the LSTM, then the face that is held."""
        state = self.time.start(n)
        return state if self.no_face is None else torch.cat([state, self.no_face.expand(n, -1)], 1)

    def step(
        self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor, hidden: Tensor
    ) -> tuple[Prediction, Tensor]:
        """face (N, Df), voice (N, Dv), has_face (N,), has_voice (N,), hidden (N, H) -> outputs and hidden (N, H)."""
        state, held = hidden, hidden[:, :0]
        if self.face is not None:
            state, held = hidden[:, : -self.width], hidden[:, -self.width :]
            held = torch.where(has_face[:, None], self.face(face).relu(), held)
        read, state = self.time.step(self.dropout(torch.cat([held, self._sounds(voice, has_voice)], 1)), state)
        return self.heads(read), torch.cat([state, held], 1)

    def sequence(
        self,
        face: Tensor,
        voice: Tensor,
        has_face: Tensor,
        has_voice: Tensor,
        valid: Tensor | None = None,
        times: Tensor | None = None,
    ) -> Prediction:
        """face (B, T, Df), voice (B, T, Dv), has_face, has_voice, valid (B, T) bool -> outputs (B, T, ...).

        Valid rows of a sequence come first. Rows count, not their `times` (B, T) s: the model is made for one rate.
        """
        valid = torch.ones_like(has_face) if valid is None else valid
        times = torch.zeros(has_face.shape, device=has_face.device) if times is None else times
        x = torch.cat([self._looks(face, has_face), self._sounds(voice, has_voice)], -1)
        return self.heads(self.time(self.dropout(x), valid, times))

    def forward(self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor) -> Prediction:
        """As `sequence`."""
        return self.sequence(face, voice, has_face, has_voice)

    def _looks(self, face: Tensor, has_face: Tensor) -> Tensor:
        """(B, T, Df), (B, T) -> (B, T, W): of each row the last face seen until then; (B, T, 0) without faces."""
        if self.face is None or self.no_face is None:
            return face[..., :0]
        looks = torch.cat([self.no_face.expand(len(face), 1, -1), self.face(face).relu()], 1)
        rows = torch.arange(1, has_face.shape[1] + 1, device=face.device)
        last = torch.where(has_face, rows, 0).cummax(1).values
        return looks.gather(1, last[..., None].expand(-1, -1, self.width))

    def _sounds(self, voice: Tensor, has_voice: Tensor) -> Tensor:
        """(..., Dv), (...,) -> (..., W), or (..., 0) for a model that does not listen."""
        if self.voice is None or self.no_voice is None:
            return voice[..., :0]
        return torch.where(has_voice[..., None], self.voice(voice).relu(), self.no_voice)
