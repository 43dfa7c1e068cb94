"""How poster_v2 runs the goldens of 7 and of 8 classes."""

from collections.abc import Callable, Mapping
from typing import cast

from torch import Tensor, nn

from avfer.goldens.run import TAP
from avfer.models.backbones.ir50 import FaceMaps
from avfer.models.backbones.mobilefacenet import LandmarkMaps
from avfer.models.backbones.poster_v2 import PosterV2
from avfer.models.backbones.window_fusion import PositionBias

SCALES = (1, 2, 3)
TAPS = {
    "input_112": "<landmarks",
    "lm1": "landmarks.conv_3",
    "lm2": "landmarks.conv_4",
    "lm3_raw": "landmarks.conv_6_sep",
    "lm3": "narrow",
    "ir_stem": "trunk.input_layer",
    "tokens": "<vit",
    "embedded": "<vit.blocks",
    "vit_block0": "vit.blocks.0",
    "vit_block1": "vit.blocks.1",
    "cls": "vit.norm",
    **{f"ir{i}": f"trunk.body{i}" for i in SCALES},
    **{f"conv{i}": f"scales.{i - 1}.halve" for i in SCALES},
    **{f"norm{i}": f"scales.{i - 1}.norm" for i in SCALES},
    **{f"attn{i}": f"scales.{i - 1}.attention" for i in SCALES},
    **{f"ffn{i}": f"scales.{i - 1}" for i in SCALES},
}
TRANSFORM: dict[str, Callable[[Tensor], Tensor]] = {
    **{f"norm{i}": lambda tokens: tokens.unflatten(1, (round(tokens.shape[1] ** 0.5), -1)) for i in SCALES},
    **{f"ffn{i}": lambda maps: maps.permute(0, 2, 3, 1) for i in SCALES},
}


def whole(network: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Logits and features, and the landmarks that the authors' module leaves aside."""
    poster = cast(PosterV2, network)
    prediction = poster.predict(inputs["x"])
    assert prediction.expression_logits is not None
    points = poster.points(inputs["x"])
    return {"logits": prediction.expression_logits, "feature": prediction.features, f"{TAP}lm_points": points}


def fusion(network: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What comes after the trunks."""
    poster = cast(PosterV2, network)
    picture = FaceMaps(inputs["ir1"], inputs["ir2"], inputs["ir3"])
    feature = poster.fuse(picture, LandmarkMaps(inputs["lm1"], inputs["lm2"], inputs["lm3_raw"]))
    return {"logits": poster.head(feature), "feature": feature}


def buffers(network: nn.Module, _: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Which row of its table each pair of places reads."""
    return {
        f"attn{i}.relative_position_index": cast(PositionBias, network.get_submodule(f"scales.{i - 1}.bias")).index
        for i in SCALES
    }


CASES = {"whole": whole, "fusion": fusion, "buffers": buffers}
