"""mae: a masked auto-encoder trained on faces without labels, whose encoder starts pf_vit.

He et al., "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022, as used by PF-ViT (Li et al., arXiv
2207.11081). Names of the encoder follow github.com/MSA-LMC/MAE-SFER (no licence file). The width of the decoder for the
tiny and small sizes is not published: that of the base size, 512, is our choice.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from avfer.models.backbones import vit
from avfer.models.backbones.vit import Size
from avfer.models.card import IMAGENET_MEAN, IMAGENET_STD, Card, changed_options
from avfer.models.network import FaceNetwork
from avfer.models.prediction import Prediction
from avfer.models.tensor_files import count_numbered

HEADS = 16  # of the decoder's attention
DECODER = {  # names of the authors' files -> ours
    "mask_token": "decoder.mask_token",
    "decoder_pos_embed": "decoder.pos_embed",
    "decoder_embed.": "decoder.embed.",
    "decoder_blocks.": "decoder.blocks.",
    "decoder_norm.": "decoder.norm.",
    "decoder_pred.": "decoder.pred.",
}


class Masking(NamedTuple):
    """Choice of the masked patches of N crops."""

    visible: Tensor  # (N, V) int64, indices of the patches that the encoder reads
    hidden: Tensor  # (N, P) bool, True for masked patches


class PatchDecoder(nn.Module):
    """Decoder of the visible tokens to the pixels of all patches.

    width_in: features of the encoder's tokens; width: features of the decoder's; depth: number of blocks; patch: px,
    side of a patch.
    """

    def __init__(self, width_in: int, width: int, depth: int, patch: int) -> None:
        super().__init__()
        self.embed = nn.Linear(width_in, width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = vit.fixed_positions(width, vit.SIDE // patch)
        self.blocks = vit.blocks(width, depth, HEADS)
        self.norm = vit.Norm(width)
        self.pred = nn.Linear(width, patch * patch * 3)
        vit.initialise(self)

    def forward(self, tokens: Tensor, visible: Tensor) -> Tensor:
        """tokens: (N, 1 + V, D), class token first, visible: (N, V) int64 -> all patches (N, P, patch² * 3)."""
        x = self.embed(tokens)
        everywhere = self.mask_token.to(x.dtype).expand(len(x), self.pos_embed.shape[1] - 1, -1)
        patches = everywhere.scatter(1, visible[..., None].expand_as(x[:, 1:]), x[:, 1:])
        x = torch.cat([x[:, :1], patches], 1) + self.pos_embed
        return self.pred(self.norm(self.blocks(x)))[:, 1:]


class Mae(FaceNetwork):
    """A vision transformer as encoder, and for pre-training a decoder (`masking`, `reconstruct`).

    size: of the encoder, "tiny", "small" or "base"; patch: px, side of a patch; decoder: add the decoder, which
    features do not need; decoder_width, decoder_depth: features of a token and number of blocks of the decoder;
    mask_ratio: share of the patches that are masked, in [0, 1].
    """

    def __init__(
        self,
        size: Size = "base",
        patch: int = 16,
        decoder: bool = False,
        decoder_width: int = 512,
        decoder_depth: int = 8,
        mask_ratio: float = 0.75,
    ) -> None:
        super().__init__()
        self.patch, self.mask_ratio = patch, mask_ratio
        self.encoder = vit.encoder(size, patch)
        self.decoder = PatchDecoder(vit.WIDTHS[size], decoder_width, decoder_depth, patch) if decoder else None
        self.offers = frozenset({"masked_patches"} if decoder else ())

    @classmethod
    def card(
        cls,
        size: Size = "base",
        patch: int = 16,
        decoder: bool = False,
        decoder_width: int = 512,
        decoder_depth: int = 8,
        mask_ratio: float = 0.75,
    ) -> Card:
        """Return the card for these constructor options."""
        return Card(
            name="mae",
            task="features of faces, learned without labels",
            description="A vision transformer pre-trained by filling in hidden patches; it gives its class token as"
            " features and has no classes. With decoder=True it can be pre-trained and fills patches in; its weights"
            " then go into pf_vit.",
            options=changed_options(
                Mae,
                size=size,
                patch=patch,
                decoder=decoder,
                decoder_width=decoder_width,
                decoder_depth=decoder_depth,
                mask_ratio=mask_ratio,
            ),
            features=vit.WIDTHS[size],
            size=vit.SIDE,
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
            layout="encoder as in the authors' code; the decoder's size for tiny and small is our choice",
            onnx=True,
            data="AffectNet, 270 000 pictures, labels unused",
            licence_code="none stated; it builds on facebookresearch/mae, CC BY-NC 4.0",
            licence_weights="none stated",
            sources=[
                "He et al., Masked Autoencoders Are Scalable Vision Learners, CVPR 2022",
                "Li et al., arXiv 2207.11081",
                "github.com/MSA-LMC/MAE-SFER@7e91c1dafc82fe2cb95978bc399dac300e8cb697",
            ],
        )

    @classmethod
    def from_official(cls, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read a pre-training checkpoint, or one fine-tuned from it, whose head is dropped.

        tensors: name -> float tensor of its layer's shape.
        """
        ours = {_renamed(name): t for name, t in vit.named(tensors).items() if not name.startswith("head.")}
        options: dict[str, Any] = dict(vit.implied_options(ours))
        if "decoder.embed.weight" in ours:
            depth = count_numbered(ours, "decoder.blocks.")
            width = ours["decoder.embed.weight"].shape[0]
            options |= {"decoder": True}
            options |= changed_options(Mae, decoder_width=width, decoder_depth=depth)
        return options, ours

    def masking(self, n: int, random: torch.Generator | None = None) -> Masking:
        """Draw the masked patches of n crops, (n, V) and (n, P); `random` is a generator of the CPU."""
        count = self.encoder.patch_embed.num_patches
        shuffled = torch.rand(n, count, generator=random).argsort(1)
        visible = shuffled[:, : int(count * (1 - self.mask_ratio))]
        hidden = torch.ones(n, count, dtype=torch.bool).scatter(1, visible, False)
        device = next(self.encoder.parameters()).device
        return Masking(visible.to(device), hidden.to(device))

    def encode(self, crops: Tensor, visible: Tensor) -> Tensor:
        """crops: (N, 3, 224, 224), visible: (N, V) indices -> (N, 1 + V, D) tokens, the class token first."""
        net = self.encoder
        assert net.pos_embed is not None and net.cls_token is not None
        patches = net.patch_embed(crops) + net.pos_embed[:, 1:]
        patches = patches.gather(1, visible[..., None].expand(-1, -1, patches.shape[2]))
        first = (net.cls_token + net.pos_embed[:, :1]).expand(len(crops), -1, -1)
        return net.norm(net.blocks(torch.cat([first, patches], 1)))

    def reconstruct(self, crops: Tensor, visible: Tensor) -> Tensor:
        """crops: (N, 3, 224, 224), visible: (N, V) indices -> all patches (N, P, patch² * 3), normalised as crops."""
        if self.decoder is None:
            raise RuntimeError("this mae has no decoder; make it with decoder=True")
        return self.decoder(self.encode(crops, visible), visible)

    def features(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 224, 224) normalised as the card says -> class token after the last norm (N, D)."""
        return self.encoder.forward_features(crops)[:, 0]

    def predict(self, crops: Tensor) -> Prediction:
        """crops: (N, 3, 224, 224) -> features (N, D) alone."""
        return Prediction(self.features(crops))

    def forward(self, crops: Tensor) -> Tensor:
        """crops: (N, 3, 224, 224) -> (N, D) features."""
        return self.features(crops)


def _renamed(name: str) -> str:
    for theirs, ours in DECODER.items():
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return name
