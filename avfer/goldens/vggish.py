"""How vggish runs its goldens: the network, its post-processor, and the front end that makes patches of sound."""

import importlib
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from avfer.models.backbones.vggish import Vggish
from avfer.models.backbones.vggish_pca import NAMES, VggishPca
from avfer.models.factory import from_tensors
from avfer.signal.log_mel import PATCH_FRAMES, SAMPLE_RATE, log_mel

STEREO_RATE = 44_100  # Hz
TAPS = {f"features.{number}": f"trunk.{number}" for number in (2, 5, 10, 15)}


def build(tensors: dict[str, Tensor]) -> nn.Module:
    """The network; the golden of the front end has none."""
    return from_tensors("vggish", tensors, "the golden") if tensors else nn.Identity()


def whole(network: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The embedding after the last ReLU."""
    return {"embedding": cast(Vggish, network).features(inputs["x"])}


def post(network: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What the post-processor makes of an embedding."""
    tensors = {name: inputs[name] for name in NAMES}
    pca = cast(VggishPca, from_tensors("vggish_pca", tensors, "the golden"))
    projected = pca.project(inputs["embedding"])
    return {"projected": projected, "quantised": pca.quantise(projected)}


def whole_and_post(network: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same of what the network makes of a patch."""
    return post(network, {**inputs, **whole(network, inputs)})


def wave_16k(network: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Frames and patches of a wave that needs no resampling."""
    frames = log_mel(inputs["wave"])
    count = len(frames) // PATCH_FRAMES
    patches = frames[: count * PATCH_FRAMES].reshape(count, 1, PATCH_FRAMES, -1)
    return {"wave": inputs["wave"], "log_mel": frames, "examples": patches}


def wave_44k_stereo(network: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Two channels averaged, then brought to 16 kHz by the port's resampler."""
    resampy = importlib.import_module("resampy")
    mean = (inputs["left"] + inputs["right"]) / 2
    wave = torch.from_numpy(resampy.resample(mean.numpy(), STEREO_RATE, SAMPLE_RATE, filter="kaiser_best"))
    return {"resampled": wave, "examples": wave_16k(network, {"wave": wave})["examples"]}


CASES = {
    "whole": whole,
    "post": post,
    "whole_and_post": whole_and_post,
    "wave_16k": wave_16k,
    "wave_44k_stereo": wave_44k_stereo,
}
