"""Parts of PF-ViT around its encoder: separator, generator and discriminator.

Li et al., arXiv 2207.11081, describes them without code; their layout is our choice.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from avfer.models.backbones import vit

HEADS = 16  # of the generator's attention


class Separated(NamedTuple):
    """Tokens as the sum of two components."""

    emotion: Tensor  # (N, T, D)
    residue: Tensor  # (N, T, D), identity and pose; orthogonal to the emotion


class Separator(nn.Module):
    """Split each token v into its emotional component and the residue, whose sum is v.

    The component is the projection of v on u = MLP(v), so that the two are orthogonal for any weights.
    width: D, the features of a token.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.mlp = nn.ModuleDict({"exact": mlp})  # the name is part of the tensors' names in weight files

    def forward(self, tokens: Tensor) -> Separated:
        """tokens: (N, T, D) -> both components, (N, T, D) each."""
        direction = self.mlp["exact"](tokens)
        length = direction.square().sum(-1, keepdim=True).clamp_min(1e-12)
        emotion = (tokens * direction).sum(-1, keepdim=True) / length * direction
        return Separated(emotion, tokens - emotion)


class EmotionAttention(nn.Module):
    """Attention from residual tokens to emotional tokens, with a skip connection.

    width: D, features of a token.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = vit.Norm(width)
        self.norm_emotion = vit.Norm(width)
        self.attention = nn.MultiheadAttention(width, HEADS, batch_first=True)

    def forward(self, x: Tensor, emotion: Tensor) -> Tensor:
        """x: (N, T, D) residual tokens, emotion: (N, T, D) -> (N, T, D)."""
        keys = self.norm_emotion(emotion)
        return x + self.attention(self.norm(x), keys, keys, need_weights=False)[0]


class Generator(nn.Module):
    """Decode both components to a picture that is normalised like the crops.

    Its layers are those of a masked auto-encoder's decoder under the same names, so that a pre-trained one can start
    it; before every second block the residue attends to the emotion. For the poker face a learned null token replaces
    the emotional tokens.

    width_in: features of the encoder's tokens; patch: px, side of a patch; width: features of the generator's tokens;
    depth: number of blocks.
    """

    def __init__(self, width_in: int, patch: int, width: int = 512, depth: int = 8) -> None:
        super().__init__()
        self.patch = patch
        self.embed = nn.Linear(width_in, width)
        self.null_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = vit.fixed_positions(width, vit.SIDE // patch)
        self.blocks = vit.blocks(width, depth, HEADS)
        self.fusions = nn.ModuleList(EmotionAttention(width) for _ in range(depth // 2))
        self.norm = vit.Norm(width)
        self.pred = nn.Linear(width, patch * patch * 3)
        vit.initialise(self)

    def forward(self, residue: Tensor, emotion: Tensor | None = None) -> Tensor:
        """residue, emotion: (N, 1 + P, D); emotion None for the poker face -> (N, 3, 224, 224)."""
        x = self.embed(residue) + self.pos_embed
        keys = self.null_token.expand_as(x) if emotion is None else self.embed(emotion)
        keys = keys + self.pos_embed
        for number, block in enumerate(self.blocks):
            if number % 2:
                x = self.fusions[number // 2](x, keys)
            x = block(x)
        return vit.unpatchify(self.pred(self.norm(x))[:, 1:], self.patch)


class DiscriminatorOutput(NamedTuple):
    """Outputs of the discriminator for N pictures."""

    realness: Tensor  # (N,) logit, high for real pictures
    expression_logits: Tensor  # (N, K)


class Discriminator(nn.Module):
    """A tiny vision transformer that classifies pictures as real or generated, and their expression.

    num_classes: expressions that it classifies.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.encoder = vit.encoder("tiny", 16)
        self.realness = nn.Linear(vit.WIDTHS["tiny"], 1)
        self.expression = nn.Linear(vit.WIDTHS["tiny"], num_classes)

    def forward(self, pictures: Tensor) -> DiscriminatorOutput:
        """pictures: (N, 3, 224, 224) -> realness (N,), expression logits (N, K)."""
        token = self.encoder.forward_features(pictures)[:, 0]
        return DiscriminatorOutput(self.realness(token)[:, 0], self.expression(token))
