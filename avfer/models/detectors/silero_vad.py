"""silero_vad: the speech detector of the Silero team, version 6, with the weights of the package silero-vad.

The layers are those of `silero_vad/tinygrad_model.py` in that package; the tensors come from its TorchScript file, as
the safetensors file beside it holds those of an earlier version. The package itself is not imported: doing so sets the
number of threads of torch.
"""

import warnings
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avfer.errors import WeightsError
from avfer.models.card import Card
from avfer.models.network import Network

WEIGHTS = "silero_vad.jit"
RENAMES = (  # prefixes of tensors in the file -> here
    ("_model.stft.forward_basis_buffer", "stft_conv.weight"),
    ("_model.encoder.0.reparam_conv.", "conv1."),
    ("_model.encoder.1.reparam_conv.", "conv2."),
    ("_model.encoder.2.reparam_conv.", "conv3."),
    ("_model.encoder.3.reparam_conv.", "conv4."),
    ("_model.decoder.rnn.weight_ih", "lstm.weight_ih_l0"),
    ("_model.decoder.rnn.weight_hh", "lstm.weight_hh_l0"),
    ("_model.decoder.rnn.bias_ih", "lstm.bias_ih_l0"),
    ("_model.decoder.rnn.bias_hh", "lstm.bias_hh_l0"),
    ("_model.decoder.decoder.2.", "final_conv."),
)
BINS = 129  # of the spectrum
WIDTH = 128  # of the hidden state
PADDING = 64  # samples that are mirrored after a window


class SileroVad(Network):
    """Estimates for windows of 32 ms of sound at 16 kHz the probability that somebody speaks.

    A window is read with the 64 samples before it. The layers are a magnitude spectrum, four convolutions and an LSTM,
    whose state passes from one window to the next. The constructor loads the weights.
    """

    window = 512  # samples from one window to the next
    context = 64  # samples before a window that are read with it

    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 2 * BINS, 256, 128, bias=False)
        self.conv1 = nn.Conv1d(BINS, 128, 3, 1, 1)
        self.conv2 = nn.Conv1d(128, 64, 3, 2, 1)
        self.conv3 = nn.Conv1d(64, 64, 3, 2, 1)
        self.conv4 = nn.Conv1d(64, 128, 3, 1, 1)
        self.lstm = nn.LSTM(WIDTH, WIDTH)
        self.final_conv = nn.Conv1d(WIDTH, 1, 1)
        self.load_state_dict(_tensors(weight_path()))
        self.eval().requires_grad_(False)

    @classmethod
    def card(cls) -> Card:
        """Return the card; there are no options."""
        return Card(
            name="silero_vad",
            task="speech in sound",
            description="A small convolutional network with an LSTM, whose weights come with the package. It reads"
            " 512 samples at 16 kHz at a time and estimates the probability that somebody speaks.",
            layout="as in the published code",
            data="more than 6000 languages, not published",
            licence_code="MIT (network), Apache-2.0 (this implementation)",
            licence_weights="MIT",
            sources=["github.com/snakers4/silero-vad, package silero-vad 6.2.3"],
        )

    @classmethod
    def weight_paths(cls) -> tuple[Path, ...]:
        """Return the path of the file of weights. Raises WeightsError without the package silero-vad."""
        return (weight_path(),)

    def start(self) -> Tensor:
        """Return the state before the first window: (2, 128) float32 zeros."""
        return torch.zeros(2, WIDTH)

    def forward(self, windows: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return the probability of speech in consecutive windows, and the state after the last of them.

        windows: (W, 64 + 512) float32 in [-1, 1], each with the samples before it; state: (2, 128)
        -> (W,) float32 in [0, 1], (2, 128).
        """
        x = self.stft_conv(F.pad(windows[:, None], (0, PADDING), "reflect"))
        x = (x[:, :BINS].square() + x[:, BINS:].square()).sqrt()
        for convolution in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = convolution(x).relu()
        x, after = self.lstm(x.squeeze(2), tuple(state.split(1)))
        return self.final_conv(x.relu()[..., None]).sigmoid().flatten(), torch.cat(after)


def weight_path() -> Path:
    """Return the path of the weights in the installed package silero-vad. Raises WeightsError if it is missing."""
    package = find_spec("silero_vad")
    folders = package.submodule_search_locations if package else None
    path = Path(next(iter(folders))) / "data" / WEIGHTS if folders else None
    if path is None or not path.exists():
        raise WeightsError(
            f"silero_vad: the package silero-vad with {WEIGHTS} is missing: pip install silero-vad==6.2.3"
        )
    return path


def _tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of the 16 kHz network in a TorchScript file, under the names of SileroVad."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        published: dict[str, Tensor] = torch.jit.load(path, map_location="cpu").state_dict()
    found: dict[str, Tensor] = {}
    for theirs, ours in RENAMES:
        found |= {ours + name.removeprefix(theirs): x for name, x in published.items() if name.startswith(theirs)}
    return found
