"""How poster runs the goldens of both its modules."""

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from avfer.goldens.run import TAP
from avfer.models.backbones.poster import Poster

BLOCKS = "pyramid.blocks"
JOINT = "<pyramid.downsample_m"  # both streams, before the first block
TAPS = {
    "input_112": "<landmarks",
    "lm_raw": "landmarks.conv_6_sep",
    "ir_stem": "trunk.input_layer",
    "ir_stage1": "trunk.body1",
    "ir_stage2": "trunk.body2",
    "ir_stage3": "trunk.body3",
    "ir_view": "<narrow",
    "img_tokens": "narrow",
    "lm_tokens": JOINT,
    "img_embedded": JOINT,
    "in_m": "pyramid.downsample_m",
    "in_s": "pyramid.downsample_s",
    "block0_l_attn_img": f"{BLOCKS}.0.large.picture.attention",
    "block0_l_attn_lm": f"{BLOCKS}.0.large.landmarks.attention",
    "cls": "pyramid.norm",
    **{f"block{k}_l": f"{BLOCKS}.{k}" for k in range(8)},
    **{f"block{k}_m": f"<{BLOCKS}.{k}.upsample_m" for k in range(8)},
    **{f"block{k}_s": f"{BLOCKS}.{k}.small" for k in range(8)},
}
TRANSFORM = {"img_embedded": lambda joint: joint[:, :50], "lm_tokens": lambda joint: joint[:, 51:]}


def whole(network: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Both outputs of the authors' module, and the landmarks that it leaves aside."""
    poster = cast(Poster, network)
    prediction = poster.predict(inputs["x"])
    assert prediction.expression_logits is not None
    points = poster.points(inputs["x"])
    return {"logits": prediction.expression_logits, "feature": prediction.features, f"{TAP}lm_points": points}


def fusion(network: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What comes after the trunks."""
    poster = cast(Poster, network)
    feature = poster.fuse(inputs["ir_stage3"], inputs["lm_raw"])
    return {"logits": poster.head(feature), "feature": feature}


CASES = {"whole": whole, "fusion": fusion}
