"""How vggish runs its goldens: the network, its post-processor, and the front end that makes patches of sound."""

import importlib
from typing import cast

import torch
from torch import Tensor, nn

from avfer.goldens.verification import GoldenAdapter, Tensors
from avfer.models.backbones.vggish import PCA_NAMES, Vggish, VggishPca
from avfer.models.factory import from_tensors
from avfer.signal.log_mel import PATCH_FRAMES, SAMPLE_RATE, log_mel

STEREO_RATE = 44_100  # Hz, of a wave that the front end of vggish resamples


def build_vggish(tensors: dict[str, Tensor]) -> nn.Module:
    """Return vggish filled with the tensors of a golden; the golden of the front end has no tensors and no network.

    tensors: name -> float tensor of its layer's shape.
    """
    return from_tensors("vggish", tensors, "the golden") if tensors else nn.Identity()


def vggish_embedding(network: Vggish, inputs: Tensors) -> dict[str, Tensor]:
    """Return the embedding (N, 128) after the last ReLU of patches x (N, 1, 96, 64)."""
    return {"embedding": network.features(inputs["x"])}


def vggish_post(_: nn.Module, inputs: Tensors) -> dict[str, Tensor]:
    """Return "projected" and "quantised" (N, 128) of an embedding (N, 128), by vggish_pca with the given tensors."""
    tensors = {name: inputs[name] for name in PCA_NAMES}
    pca = cast(VggishPca, from_tensors("vggish_pca", tensors, "the golden"))
    projected = pca.project(inputs["embedding"])
    return {"projected": projected, "quantised": pca.quantise(projected)}


def vggish_embedding_and_post(network: Vggish, inputs: Tensors) -> dict[str, Tensor]:
    """Return the outputs of `vggish_post`, (N, 128) each, for the embedding of patches x (N, 1, 96, 64)."""
    return vggish_post(network, {**inputs, **vggish_embedding(network, inputs)})


def vggish_wave_16k(_: nn.Module, inputs: Tensors) -> dict[str, Tensor]:
    """Return log_mel (F, 64) and examples (N, 1, 96, 64) of a wave (S,) that needs no resampling, and the wave."""
    frames = log_mel(inputs["wave"])
    count = len(frames) // PATCH_FRAMES
    patches = frames[: count * PATCH_FRAMES].reshape(count, 1, PATCH_FRAMES, -1)
    return {"wave": inputs["wave"], "log_mel": frames, "examples": patches}


def vggish_wave_44k_stereo(network: nn.Module, inputs: Tensors) -> dict[str, Tensor]:
    """Return the mean of left and right (S,) resampled to 16 kHz by the port's resampler, and its examples."""
    resampy = importlib.import_module("resampy")
    mean = (inputs["left"] + inputs["right"]) / 2
    wave = torch.from_numpy(resampy.resample(mean.numpy(), STEREO_RATE, SAMPLE_RATE, filter="kaiser_best"))
    return {"resampled": wave, "examples": vggish_wave_16k(network, {"wave": wave})["examples"]}


VGGISH = GoldenAdapter(
    cases={
        "whole": vggish_embedding,
        "post": vggish_post,
        "whole_and_post": vggish_embedding_and_post,
        "wave_16k": vggish_wave_16k,
        "wave_44k_stereo": vggish_wave_44k_stereo,
    },
    taps={f"features.{number}": f"trunk.{number}" for number in (2, 5, 10, 15)},
    build=build_vggish,
)
