"""How each network runs its goldens: one adapter per network, in the table `ADAPTERS` at the end of the file.

An adapter names a function for each case of a golden. The function gets the network, filled with the weights of the
golden, and the inputs by name; it returns the outputs by the names of the golden. Outputs whose names start with "tap:"
are intermediate values, which hooks record while the function runs: `taps` maps their names to paths of our modules.

To add a network: write its case functions, and one entry of the table.
"""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avfer.errors import ConfigError
from avfer.goldens.audio_adapters import VGGISH
from avfer.goldens.golden_files import Golden
from avfer.goldens.verification import TAP, Deviation, GoldenAdapter, RunCase, Tensors, deviations
from avfer.losses.dan_losses import affinity, partition
from avfer.losses.efficientface_losses import label_distribution
from avfer.models.backbones.poster import Poster
from avfer.models.backbones.poster_parts import FaceMaps, LandmarkMaps
from avfer.models.backbones.poster_v2 import PosterV2
from avfer.models.backbones.psr import Psr
from avfer.models.detectors.mtcnn import Mtcnn, run_in_parts
from avfer.models.detectors.mtcnn_networks import PNet
from avfer.models.network import FaceNetwork


def logits_and(features: str) -> RunCase:
    """Return a case whose outputs are "logits" (N, K) and, under the given name, the features (N, D)."""

    def run(network: FaceNetwork, inputs: Tensors) -> dict[str, Tensor]:
        outputs = network.predict(inputs["x"]).tensors()
        return {"logits": outputs["expression_logits"], features: outputs["features"]}

    return run


def dan_outputs(network: FaceNetwork, inputs: Tensors) -> dict[str, Tensor]:
    """Return the outputs of the authors' network: logits (N, K), features (N, 512, 7, 7), heads (N, H, 512)."""
    outputs = network.predict(inputs["x"]).tensors()
    names = {"logits": "expression_logits", "features": "feature_map", "heads": "attention_heads"}
    return {name: outputs[ours] for name, ours in names.items()}


def dan_losses(network: FaceNetwork, inputs: Tensors) -> dict[str, Tensor]:
    """Return the three terms () of DAN's training loss.

    inputs: x (N, 3, 224, 224), labels (N,) int64, centers (K, 512), the class centres of the affinity loss.
    """
    outputs = dan_outputs(network, inputs)
    return {
        "cross_entropy": F.cross_entropy(outputs["logits"], inputs["labels"]),
        "affinity": affinity(outputs["features"], inputs["labels"], inputs["centers"]),
        "partition": partition(outputs["heads"]),
    }


def efficientface_losses(_: nn.Module, inputs: Tensors) -> dict[str, Tensor]:
    """Return the loss () of given logits (N, K); no network is needed."""
    return {"label_distribution": label_distribution(inputs["student_logits"], inputs["generator_logits"])}


def build_mtcnn_part(tensors: dict[str, Tensor]) -> nn.Module:
    """Return the one of MTCNN's networks that has these tensors, filled with them.

    tensors: name -> float tensor of its layer's shape. Raises ConfigError if no network has them.
    """
    layers = {"conv4_1": "pnet", "dense5_1": "rnet", "dense6_1": "onet"}  # the layer of the face probability
    parts = [part for layer, part in layers.items() if f"{layer}.weight" in tensors]
    if not parts:
        raise ConfigError(f"mtcnn: no network (pnet, rnet, onet) has the tensors {', '.join(list(tensors)[:4])}, ...")
    network = Mtcnn().get_submodule(parts[0])
    network.load_state_dict(tensors, strict=True)
    return network


def mtcnn_outputs(network: nn.Module, inputs: Tensors) -> dict[str, Tensor]:
    """Return boxes, probabilities and landmarks (onet) of x (N, 3, H, W), computed as the detector computes them.

    pnet reads whole pictures, the others batches that are padded to a few sizes.
    """
    x = inputs["x"].contiguous(memory_format=torch.channels_last)
    outputs = network(x) if isinstance(network, PNet) else run_in_parts(network, x)
    names = {2: ("boxes", "probabilities"), 3: ("boxes", "landmarks", "probabilities")}
    return dict(zip(names[len(outputs)], outputs, strict=True))


def poster_outputs(network: Poster | PosterV2, inputs: Tensors) -> dict[str, Tensor]:
    """Return logits (N, K), feature (N, D) and, as a tap, the landmarks (N, 136), which the head does not read."""
    return logits_and("feature")(network, inputs) | {f"{TAP}lm_points": network.points(inputs["x"])}


def poster_fusion(network: Poster, inputs: Tensors) -> dict[str, Tensor]:
    """Return logits (N, K) and feature (N, 512) from maps ir_stage3 (N, 256, 14, 14), lm_raw (N, 512, 7, 7)."""
    feature = network.fuse(inputs["ir_stage3"], inputs["lm_raw"])
    return {"logits": network.head(feature), "feature": feature}


def poster_v2_fusion(network: PosterV2, inputs: Tensors) -> dict[str, Tensor]:
    """Return logits (N, K) and feature (N, 768) from the three maps of both trunks, (N, C, S, S) each."""
    face = FaceMaps(inputs["ir1"], inputs["ir2"], inputs["ir3"])
    feature = network.fuse(face, LandmarkMaps(inputs["lm1"], inputs["lm2"], inputs["lm3_raw"]))
    return {"logits": network.head(feature), "feature": feature}


def poster_v2_buffers(network: PosterV2, _: Tensors) -> dict[str, Tensor]:
    """Return for each of three scales the row of its bias table that a pair of places reads, (S², S²) int64.

    The authors' files hold these indices; our network computes them (`offsets`).
    """
    return {f"attn{i}.relative_position_index": cast(Any, network.scales[i - 1]).bias.index for i in (1, 2, 3)}


def psr_outputs(network: Psr, inputs: Tensors) -> dict[str, Tensor]:
    """Return the logits of each branch and the mean over the branches of their softmax.

    inputs: x (N, 3, 100, 100) -> "logits" (N, K, B), "probabilities" (N, K), which sum to 1.
    """
    logits = network.predict(inputs["x"]).extras["branch_logits"]
    return {"logits": logits, "probabilities": network(inputs["x"]).softmax(1)}


def psr_without_pooling(network: Psr, inputs: Tensors) -> dict[str, Tensor]:
    """Return the branch logits (N, K, B) of the same weights without the pooling to 7 x 7.

    The published code pools only with a newer version of its library; the golden stores both variants.
    """
    plain = Psr(pool=False).to(next(network.parameters()).dtype).eval()
    plain.load_state_dict(network.state_dict())
    return {"logits": plain.predict(inputs["x"]).extras["branch_logits"]}


DAN = GoldenAdapter(
    cases={"whole": dan_outputs, "losses": dan_losses},
    taps={
        "features.2": "trunk.act1",
        "features.3": "trunk.maxpool",
        **{f"features.{stage + 3}": f"trunk.layer{stage}" for stage in (1, 2, 3)},
        "cat_head0.sa.conv1x1": "heads.0.spatial.reduce",
        "cat_head0.sa.relu": "heads.0.spatial.relu",
        "cat_head0.sa": "heads.0.spatial",
        "cat_head0.ca.gap": "heads.0.channel.pool",
        "cat_head0.ca.attention": "heads.0.channel.gate",
        **{f"cat_head{k}": f"heads.{k}" for k in (0, 3)},
    },
)
EFFICIENTFACE = GoldenAdapter(
    cases={"whole": logits_and("pooled"), "losses": efficientface_losses},
    taps={
        **{name: f"trunk.{name}" for name in ("conv1", "maxpool", "stage2", "stage2.0", "stage3", "stage4", "conv5")},
        "modulator.channel_att.gate_c": "modulator.channel",
        "modulator.spatial_att.gate_s": "modulator.spatial",
    },
)
EFFICIENTFACE_LDG = GoldenAdapter(
    cases={"whole": logits_and("pooled")},
    taps={
        "relu": "trunk.act1",
        **{name: f"trunk.{name}" for name in ("maxpool", "layer1", "layer2", "layer3", "layer4")},
    },
)
PF_VIT = GoldenAdapter(
    cases={"whole": logits_and("cls")}, taps={"patches": "encoder.patch_embed", "tokens": "encoder.norm"}
)
POSTER = GoldenAdapter(
    cases={"whole": poster_outputs, "fusion": poster_fusion},
    taps={
        "input_112": "<landmarks",
        "lm_raw": "landmarks.conv_6_sep",
        "ir_stem": "trunk.input_layer",
        **{f"ir_stage{i}": f"trunk.body{i}" for i in (1, 2, 3)},
        "ir_view": "<narrow",
        "img_tokens": "narrow",
        **dict.fromkeys(("lm_tokens", "img_embedded"), "<pyramid.downsample_m"),  # both streams, before the blocks
        **{f"in_{scale}": f"pyramid.downsample_{scale}" for scale in "ms"},
        "block0_l_attn_img": "pyramid.blocks.0.large.picture.attention",
        "block0_l_attn_lm": "pyramid.blocks.0.large.landmarks.attention",
        "cls": "pyramid.norm",
        **{f"block{k}_l": f"pyramid.blocks.{k}" for k in range(8)},
        **{f"block{k}_m": f"<pyramid.blocks.{k}.upsample_m" for k in range(8)},
        **{f"block{k}_s": f"pyramid.blocks.{k}.small" for k in range(8)},
    },
    transforms={"img_embedded": lambda joint: joint[:, :50], "lm_tokens": lambda joint: joint[:, 51:]},
)
POSTER_V2 = GoldenAdapter(
    cases={"whole": poster_outputs, "fusion": poster_v2_fusion, "buffers": poster_v2_buffers},
    taps={
        "input_112": "<landmarks",
        "lm1": "landmarks.conv_3",
        "lm2": "landmarks.conv_4",
        "lm3_raw": "landmarks.conv_6_sep",
        "lm3": "narrow",
        "ir_stem": "trunk.input_layer",
        "tokens": "<vit",
        "embedded": "<vit.blocks",
        "cls": "vit.norm",
        **{f"vit_block{k}": f"vit.blocks.{k}" for k in (0, 1)},
        **{f"ir{i}": f"trunk.body{i}" for i in (1, 2, 3)},
        **{f"conv{i}": f"scales.{i - 1}.halve" for i in (1, 2, 3)},
        **{f"norm{i}": f"scales.{i - 1}.norm" for i in (1, 2, 3)},
        **{f"attn{i}": f"scales.{i - 1}.attention" for i in (1, 2, 3)},
        **{f"ffn{i}": f"scales.{i - 1}" for i in (1, 2, 3)},
    },
    transforms={
        **{f"norm{i}": lambda x: x.unflatten(1, (round(x.shape[1] ** 0.5), -1)) for i in (1, 2, 3)},
        **{f"ffn{i}": lambda maps: maps.permute(0, 2, 3, 1) for i in (1, 2, 3)},
    },
)
PSR = GoldenAdapter(
    cases={"whole": psr_outputs, "without_pool7": psr_without_pooling},
    taps={
        "theta": "stn.fc_loc",
        "aligned": "stn",
        "small": "<branches.0",
        "sr": "branches.1.0",
        **{f"branch{i}_low": f"branches.{i}" for i in (0, 1, 2)},
    },
    transforms={"theta": lambda theta: theta.reshape(-1, 2, 3)},
)
ADAPTERS = {  # catalog name -> how it runs its goldens
    "dan": DAN,
    "efficientface": EFFICIENTFACE,
    "efficientface_ldg": EFFICIENTFACE_LDG,
    "mtcnn": GoldenAdapter(cases={"whole": mtcnn_outputs}, build=build_mtcnn_part),
    "pf_vit": PF_VIT,
    "poster": POSTER,
    "poster_v2": POSTER_V2,
    "psr": PSR,
    "vggish": VGGISH,
}


def verify(name: str, golden: Golden) -> list[Deviation]:
    """Return the deviation of every output of every case, as the network `name` of the catalog computes it.

    Raises ConfigError if the network has no adapter or the adapter lacks a case, WeightsError if the tensors of the
    golden do not fit the network.
    """
    if name not in ADAPTERS:
        raise ConfigError(f"{name}: no adapter runs its goldens; avfer/goldens/adapters.py has {', '.join(ADAPTERS)}")
    return deviations(name, ADAPTERS[name], golden)
