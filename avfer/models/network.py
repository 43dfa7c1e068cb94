"""Base classes of all networks: a network declares what it offers, and callers read the declaration.

A network of your own is a subclass of one of these classes in any installed package. Name it as
`package.module:Name` wherever avfer takes the name of a network (`backbone:`, `model:`). The smallest face backbone
is a constructor and one method:

    class MeanColour(FaceNetwork):
        def predict(self, crops):
            return Prediction(features=crops.mean((2, 3)))

Its weights are a .safetensors file with a card (.json) beside it. Training writes both, or `avfer.models.weights.save`:

    card = Card(name="my_package.networks:MeanColour", task="colour", description="", features=3, size=64,
                mean=[0.5] * 3, std=[0.5] * 3)
    save(MeanColour(), card, Path("colour.safetensors"))
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any, ClassVar, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avfer.catalog import check_call, find, is_outside, kind_of
from avfer.catalog_requirements import ANY_NETWORK
from avfer.errors import ConfigError
from avfer.models.card import Card
from avfer.models.prediction import Prediction
from avfer.signal.log_mel import LOG_MEL, SoundFrames


@dataclass(frozen=True)
class StartPart:
    """A part of a network that training can start from a file of weights (`start:` of a training configuration)."""

    load: Callable[[Any], object]  # takes the tensors of the file by name, or the network that the file holds
    network: str = ""  # catalog name of the network that the file holds; "" if `load` takes tensors by name


class Network(nn.Module):
    """Base class of every network of the catalog."""

    # Extra outputs (keys of `Prediction.extras`) and abilities (methods) that the network's own losses need.
    offers: frozenset[str] = frozenset()
    runs_onnx: ClassVar[bool] = False  # whether `engine: onnx` applies; otherwise torch runs the network
    norms_follow: ClassVar[bool] = False  # whether every 2D batch norm reads the convolution registered before it
    removed: ClassVar[Mapping[str, str]] = {}  # constructor options of earlier versions -> what replaces them

    @classmethod
    def option_names(cls) -> frozenset[str]:
        """Return the names of the constructor's options, so that training can size heads for a corpus.

        "num_classes" and "num_action_units" are the sizes of the heads; valence_arousal="none" leaves that head out.
        """
        return frozenset(signature(cls).parameters)

    @classmethod
    def card(cls, *_: Any, **options: Any) -> Card | None:
        """Return the card of a fresh network with these constructor options, or None if only weight files have one."""
        return None

    @classmethod
    def from_official(cls, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return the constructor options that a checkpoint implies, and its tensors under avfer's names.

        tensors: name -> tensor of any shape, float or int64, named as in the authors' files or as in ours.
        """
        return {}, tensors

    @classmethod
    def inference_options(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return constructor options without the parts that only training needs."""
        return dict(options)

    def start_parts(self) -> dict[str, StartPart]:
        """Return the parts that training can start from files, by the key that `start:` gives them."""
        return {}


class FaceNetwork(Network):
    """A network that reads aligned face crops, normalised as its card says."""

    def predict(self, crops: Tensor, /) -> Prediction:
        """Return all outputs of one forward pass. crops: (N, 3, S, S) float32 -> Prediction of N rows."""
        raise NotImplementedError(f"{type(self).__name__} must define predict(crops)")

    def features(self, crops: Tensor, /) -> Tensor:
        """Return the features alone. crops: (N, 3, S, S) float32 -> (N, D)."""
        features = self.predict(crops).features
        assert features is not None, f"{type(self).__name__}.predict returns no features"
        return features

    def forward(self, crops: Tensor, /) -> Any:
        """Return the expression logits, without such a head the features. crops: (N, 3, S, S) -> (N, K) or (N, D)."""
        prediction = self.predict(crops)
        return prediction.features if prediction.expression_logits is None else prediction.expression_logits


class VoiceNetwork(Network):
    """A network that reads patches of sound, 96 frames each, which are log-mel frames unless it names others.

    A network that compares a patch with those before it carries a state from patch to patch.
    """

    frames: ClassVar[SoundFrames] = LOG_MEL

    def features(self, patches: Tensor, /) -> Tensor:
        """Return the features. patches: (N, 1, 96, C) float32 frames, time before their C columns -> (N, D).

        C is 64 for log-mel patches.
        """
        raise NotImplementedError(f"{type(self).__name__} must define features(patches)")

    def forward(self, patches: Tensor, /) -> Any:
        """Return the features. patches: (N, 1, 96, C) float32 frames -> (N, D)."""
        return self.features(patches)

    def voice_features(self, patches: Tensor, /) -> Tensor:
        """Return the features of sound: `features`, which a network of faces and voices has for faces alone.

        patches: (N, 1, 96, C) float32 frames -> (N, D). Such a network overrides this method.
        """
        return self.features(patches)

    def start_voice(self) -> Tensor:
        """Return the state (H,) before the first patch of a sound; H is 0 for a network without memory."""
        return torch.zeros(0)

    def step_voice(self, patches: Tensor, state: Tensor, hop: float) -> tuple[Tensor, Tensor]:
        """Return the features of the next patches of a sound, and the state after them.

        patches: (N, 1, 96, C) float32 frames, one patch every `hop` seconds; state: (H,) -> (N, D), (H,).
        """
        return self.voice_features(patches), state


class AffectModel(Network):
    """A network that reads features of face and voice over time.

    A causal model computes a row from that row and its hidden state: it has `start` and `step`. The others read
    stretches of rows by `sequence`, from `past` rows before a row to `ahead` rows after it.
    """

    causal: bool = True
    past: int = 0  # rows before a row that its outputs depend on; 0 for causal models, which have a hidden state
    ahead: int = 0  # rows after a row that its outputs depend on

    @classmethod
    def width_options(cls, widths: Mapping[str, int]) -> dict[str, int]:
        """Return the constructor options for features of these widths: {"face": 256} gives {"num_face": 256}.

        widths: number of features of the "face" and of the "voice". A model of one modality ignores the other.
        """
        known = cls.option_names()
        options = {f"num_{modality}": width for modality, width in widths.items()}
        return {name: width for name, width in options.items() if name in known}

    def start(self, n: int) -> Tensor:
        """Return the hidden state (n, H) of n new tracks; H is 0 for a model without memory."""
        raise NotImplementedError(f"{type(self).__name__} has no start(n)")

    def step(
        self, face: Tensor, voice: Tensor, has_face: Tensor, has_voice: Tensor, hidden: Tensor
    ) -> tuple[Prediction, Tensor]:
        """Compute one instant of N tracks.

        face: (N, Df), voice: (N, Dv), has_face, has_voice: (N,) bool, hidden: (N, H)
        -> Prediction of N rows, next hidden state (N, H).
        """
        raise NotImplementedError(f"{type(self).__name__} has no step(...)")

    def sequence(
        self,
        face: Tensor,
        voice: Tensor,
        has_face: Tensor,
        has_voice: Tensor,
        valid: Tensor | None = None,
        times: Tensor | None = None,
    ) -> Prediction:
        """Compute T instants of B sequences.

        face: (B, T, Df), voice: (B, T, Dv), has_face, has_voice: (B, T) bool, valid: (B, T) bool, True for rows to
        use, which come first in each sequence, times: (B, T) s -> Prediction of (B, T) steps.
        """
        raise NotImplementedError(f"{type(self).__name__} has no sequence(...)")


def resized(pixels: Tensor, side: int) -> Tensor:
    """Resize a picture bilinearly with antialiasing, without keeping the aspect ratio.

    pixels: (3, H, W) uint8 -> (3, side, side) float32 in [0, 255], whole numbers.
    """
    if pixels.shape[1:] == (side, side):
        return pixels.float()
    return F.interpolate(pixels[None].float(), (side, side), mode="bilinear", antialias=True)[0].round().clamp(0, 255)


def normalised(card: Card, pixels: Tensor) -> Tensor:
    """Return pixels in the colour order of a card, minus its mean, divided by its standard deviation.

    pixels: (N, 3, H, W) RGB in [0, 255] -> (N, 3, H, W) float32.
    """
    mean, std = (_of_channels(values, pixels.device) for values in (card.mean, card.std))
    return ((pixels.flip(1) if card.colour == "bgr" else pixels) - mean).div_(std)


def _of_channels(values: Sequence[float], device: torch.device) -> Tensor | float:
    """Return values in [0, 1] times 255: (3, 1, 1), or one number if all are equal, which is faster to subtract."""
    if len(set(values)) == 1:
        return values[0] * 255
    return torch.tensor(values, device=device)[:, None, None] * 255


N = TypeVar("N", bound=Network)
KINDS: dict[type[Network], str] = {FaceNetwork: "backbone", VoiceNetwork: "voice backbone", AffectModel: "affect model"}


def find_network(name: str, base: type[N]) -> type[N]:
    """Return the class of a network by its catalog name or its `package.module:Name`.

    base: FaceNetwork, VoiceNetwork or AffectModel, or Network for any kind. Raises ConfigError for an unknown name and
    for code that is no subclass of `base`.
    """
    kind = KINDS.get(base) or (ANY_NETWORK if is_outside(name) else kind_of(name))
    found = find(kind, name)
    if not issubclass(found, base):
        raise ConfigError(f"{kind} '{name}': must be a subclass of avfer.models.network.{base.__name__}, got {found!r}")
    return found


def check_removed(name: str, kind: type[Network], options: Iterable[str]) -> None:
    """Raise ConfigError for an option of an earlier version; the message states what replaces it."""
    for option in options:
        if option in kind.removed:
            raise ConfigError(f"model '{name}': the option '{option}' was removed: {kind.removed[option]}")


def construct(name: str, base: type[N], options: Mapping[str, Any]) -> N:
    """Return a fresh network with exactly these constructor options.

    base: as in `find_network`. Raises ConfigError as it does, and if the constructor does not accept the options.
    """
    found = find_network(name, base)
    check_removed(name, found, options)
    check_call(ANY_NETWORK, name, found, options)
    try:
        return found(**options)
    except (TypeError, ValueError, RuntimeError) as error:
        problem = str(error).partition("\n")[0]  # torch lists all signatures of a function
        raise ConfigError(f"model '{name}': these options do not go together: {problem}") from error
