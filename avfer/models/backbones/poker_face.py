"""The parts of PF-ViT around its encoder: separator, generator and discriminator. Their layout is our own."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from avfer.models.backbones import vit

Separation = Literal["exact", "soft"]
HEADS = 16  # of the generator's attention


class Separated(NamedTuple):
    """Tokens as the sum of two components."""

    emotion: Tensor  # (N, T, D)
    residue: Tensor  # (N, T, D), who it is and how the head is held; in exact form orthogonal to the emotion


class Separator(nn.Module):
    """Split each token v (N, T, D) into its emotional component and the residue, whose sum is v.

    exact: v is projected on a direction u = MLP(v), so that the two are orthogonal whatever the weights.
    soft: the component is MLP(v) itself, and a loss (`orthogonality`) asks for the right angle.
    """

    def __init__(self, width: int, separation: Separation) -> None:
        super().__init__()
        self.separation = separation
        mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.mlp = nn.ModuleDict({separation: mlp})  # so that names of tensors tell the form

    def forward(self, tokens: Tensor) -> Separated:
        emotion = self.mlp[self.separation](tokens)
        if self.separation == "exact":
            length = emotion.square().sum(-1, keepdim=True).clamp_min(1e-12)
            emotion = (tokens * emotion).sum(-1, keepdim=True) / length * emotion
        return Separated(emotion, tokens - emotion)


class CrossFusion(nn.Module):
    """Residual tokens (N, T, D) look at emotional tokens (N, T, D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = vit.Norm(width)
        self.norm_emotion = vit.Norm(width)
        self.attention = nn.MultiheadAttention(width, HEADS, batch_first=True)

    def forward(self, x: Tensor, emotion: Tensor) -> Tensor:
        keys = self.norm_emotion(emotion)
        return x + self.attention(self.norm(x), keys, keys, need_weights=False)[0]


class Generator(nn.Module):
    """Two components of tokens to a picture (N, 3, 224, 224), normalised as the crops are.

    The layers of a masked auto-encoder's decoder under the same names; before every second block the residue looks
    at the emotion. For the poker face a learned null token stands where the emotional tokens were.
    """

    def __init__(self, width_in: int, patch: int, width: int = 512, depth: int = 8) -> None:
        super().__init__()
        self.patch = patch
        self.embed = nn.Linear(width_in, width)
        self.null_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = vit.fixed_positions(width, vit.SIDE // patch)
        self.blocks = vit.blocks(width, depth, HEADS)
        self.fusions = nn.ModuleList(CrossFusion(width) for _ in range(depth // 2))
        self.norm = vit.Norm(width)
        self.pred = nn.Linear(width, patch * patch * 3)
        vit.initialise(self)

    def forward(self, residue: Tensor, emotion: Tensor | None = None) -> Tensor:
        """residue, emotion: (N, 1 + P, D), without an emotion the poker face -> (N, 3, 224, 224)."""
        x = self.embed(residue) + self.pos_embed
        told = self.null_token.expand_as(x) if emotion is None else self.embed(emotion)
        told = told + self.pos_embed
        for number, block in enumerate(self.blocks):
            if number % 2:
                x = self.fusions[number // 2](x, told)
            x = block(x)
        return vit.unpatchify(self.pred(self.norm(x))[:, 1:], self.patch)


class Judgement(NamedTuple):
    """What the discriminator says of N pictures."""

    realness: Tensor  # (N,) logit, high for a real one
    expression_logits: Tensor  # (N, K)


class Discriminator(nn.Module):
    """A tiny vision transformer that tells real pictures (N, 3, 224, 224) from made ones, and their expression."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.encoder = vit.encoder("tiny", 16)
        self.realness = nn.Linear(vit.WIDTHS["tiny"], 1)
        self.expression = nn.Linear(vit.WIDTHS["tiny"], num_classes)

    def forward(self, pictures: Tensor) -> Judgement:
        token = self.encoder.forward_features(pictures)[:, 0]
        return Judgement(self.realness(token)[:, 0], self.expression(token))
