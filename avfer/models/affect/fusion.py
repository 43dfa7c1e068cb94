"""Ways to join face and voice of one instant. Each reads (..., W) of both and gives (..., `width`).

What is missing has been replaced by a learned vector before, so that no way needs a mask.
"""

from typing import Literal

import torch
from torch import Tensor, nn

Way = Literal["concatenation", "gated", "cross_attention"]
TOKENS = 8  # that cross-attention cuts a vector into


class Concatenation(nn.Module):
    """Both, one after the other: model-level fusion of AVER (Schoneveld et al. 2021, arXiv 2103.09154)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = 2 * width

    def forward(self, face: Tensor, voice: Tensor) -> Tensor:
        """(..., W), (..., W) -> (..., 2 W)."""
        return torch.cat([face, voice], -1)


class Gated(nn.Module):
    """g * face + (1 - g) * voice with g = sigmoid(A [face, voice] + b) (Arevalo et al. 2017, arXiv 1702.01992)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.gate = nn.Linear(2 * width, width)

    def forward(self, face: Tensor, voice: Tensor) -> Tensor:
        """(..., W), (..., W) -> (..., W)."""
        share = self.gate(torch.cat([face, voice], -1)).sigmoid()
        return share * face + (1 - share) * voice


class CrossAttention(nn.Module):
    """The face asks the voice and the voice the face, each cut into tokens; both answers are added to what asked.

    Attention stays within one instant, so that a stream needs nothing of other instants.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        if width % TOKENS:
            raise ValueError(f"cross_attention needs a width that {TOKENS} divides, not {width}")
        self.width = 2 * width
        size = width // TOKENS
        self.places = nn.Parameter(torch.randn(2, TOKENS, size) * 0.02)  # of the tokens of face and voice
        self.to_voice = nn.MultiheadAttention(size, 1, batch_first=True)
        self.to_face = nn.MultiheadAttention(size, 1, batch_first=True)
        self.norm = nn.LayerNorm(2 * width)

    def forward(self, face: Tensor, voice: Tensor) -> Tensor:
        """(..., W), (..., W) -> (..., 2 W)."""
        looks, sounds = (
            x.reshape(-1, TOKENS, x.shape[-1] // TOKENS) + place
            for x, place in zip((face, voice), self.places, strict=True)
        )
        heard = self.to_voice(looks, sounds, sounds, need_weights=False)[0].reshape(face.shape)
        seen = self.to_face(sounds, looks, looks, need_weights=False)[0].reshape(voice.shape)
        return self.norm(torch.cat([face + heard, voice + seen], -1))


WAYS: dict[Way, type[Concatenation | Gated | CrossAttention]] = {
    "concatenation": Concatenation,
    "gated": Gated,
    "cross_attention": CrossAttention,
}
