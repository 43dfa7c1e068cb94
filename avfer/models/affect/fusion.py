"""Ways to join face and voice of one instant: each reads (..., W) of both and returns (..., `width`).

Missing features were replaced by a learned vector before, so that no way needs a mask.
"""

from typing import Literal

import torch
from torch import Tensor, nn

Way = Literal["concatenation", "gated", "cross_attention"]
TOKENS = 8  # pieces that cross-attention cuts a vector into


class Concatenation(nn.Module):
    """Concatenation, the model-level fusion of AVER (Schoneveld et al. 2021, arXiv 2103.09154).

    width: features of one modality.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = 2 * width

    def forward(self, face: Tensor, voice: Tensor) -> Tensor:
        """face, voice: (..., W) -> (..., 2 W)."""
        return torch.cat([face, voice], -1)


class Gated(nn.Module):
    """Gated sum g * face + (1 - g) * voice with g = sigmoid(A [face, voice] + b).

    Arevalo et al., "Gated Multimodal Units for Information Fusion", 2017, arXiv 1702.01992.

    width: features of one modality, and of the result.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.gate = nn.Linear(2 * width, width)

    def forward(self, face: Tensor, voice: Tensor) -> Tensor:
        """face, voice: (..., W) -> (..., W)."""
        share = self.gate(torch.cat([face, voice], -1)).sigmoid()
        return share * face + (1 - share) * voice


class CrossModalAttention(nn.Module):
    """Face tokens attend to voice tokens and voice tokens to face tokens; each result is added to its queries.

    Each vector is cut into 8 tokens. Attention stays within one instant, so a stream needs no other instants. The
    layout is our choice.

    width: features of one modality, a multiple of 8.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        if width % TOKENS:
            raise ValueError(f"width: cross_attention needs a multiple of {TOKENS}, got {width}")
        self.width = 2 * width
        size = width // TOKENS
        self.places = nn.Parameter(torch.randn(2, TOKENS, size) * 0.02)  # position embedding of face and voice tokens
        self.to_voice = nn.MultiheadAttention(size, 1, batch_first=True)
        self.to_face = nn.MultiheadAttention(size, 1, batch_first=True)
        self.norm = nn.LayerNorm(2 * width)

    def forward(self, face: Tensor, voice: Tensor) -> Tensor:
        """face, voice: (..., W) -> (..., 2 W)."""
        face_tokens, voice_tokens = (
            x.reshape(-1, TOKENS, x.shape[-1] // TOKENS) + place
            for x, place in zip((face, voice), self.places, strict=True)
        )
        from_voice = self.to_voice(face_tokens, voice_tokens, voice_tokens, need_weights=False)[0].reshape(face.shape)
        from_face = self.to_face(voice_tokens, face_tokens, face_tokens, need_weights=False)[0].reshape(voice.shape)
        return self.norm(torch.cat([face + from_voice, voice + from_face], -1))


WAYS: dict[Way, type[Concatenation | Gated | CrossModalAttention]] = {
    "concatenation": Concatenation,
    "gated": Gated,
    "cross_attention": CrossModalAttention,
}
