"""prosody: how something is said, in numbers that nobody had to train."""

import torch
from torch import Tensor

from avfer.models.card import Card
from avfer.models.network import VoiceNetwork

RANKS = (9, 48, 76, 91)  # of the 96 frames by loudness: their quantiles 0.1, 0.5, 0.8, 0.95
TIMBRE = 16  # groups of four bands
RHYTHMS = ((1, 3), (3, 5), (5, 8), (8, 14))  # cycles a patch, about Hz: phrases, syllables, and faster
FLOOR = 1e-3  # keeps the logarithm of a steady sound finite
WIDTH = len(RANKS) + TIMBRE + 2 + len(RHYTHMS)


class Prosody(VoiceNetwork):
    """Loudness, timbre and rhythm of a patch, in the spirit of eGeMAPS (Eyben et al. 2016), without pitch.

    Loudness is ranked and not averaged, and the timbre is that of the loud frames, so that pauses do not speak.
    `centre` and `scale` bring each number to about 0 and 1 on speech. The bands of a patch do not resolve pitch.
    """

    centre: Tensor  # (D,)
    scale: Tensor  # (D,)

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(WIDTH))
        self.register_buffer("scale", torch.ones(WIDTH))

    @classmethod
    def card(cls) -> Card:
        return Card(
            name="prosody",
            task="loudness, timbre and rhythm of a voice",
            description="Numbers that describe how something is said: loudness of the quiet, middle and loud frames,"
            " the spectrum of the loud ones, how fast both change, and the rhythm of loudness. No network and no"
            " pitch; nothing is trained but the mean and spread that each is brought to.",
            features=WIDTH,
            layout="ours",
            data="GRID: six sentences of six speakers, for mean and spread alone",
            licence_weights="Apache-2.0",
            sources=["Eyben et al., GeMAPS, IEEE Trans. Affective Computing 7 (2016) 190-202: the kind of descriptors"],
        )

    def describe(self, patches: Tensor) -> Tensor:
        """patches: (N, 1, 96, 64) log-mel, time before frequency -> (N, 26) as they are."""
        bands = patches[:, 0]
        loudness = bands.exp().mean(2).log()  # (N, 96)
        groups = bands.unflatten(2, (TIMBRE, -1)).mean(3)  # (N, 96, 16)
        loud = (2 * loudness).softmax(1)  # a frame counts as its power
        spectrum = torch.einsum("nt,ntg->ng", loud, groups)
        flux = groups.diff(dim=1).abs().mean((1, 2))
        pace = loudness.diff(dim=1).abs().mean(1)
        return torch.cat(
            [
                loudness.sort(1).values[:, list(RANKS)],
                spectrum - spectrum.mean(1, keepdim=True),
                torch.stack([flux, pace], 1),
                _rhythm(loudness),
            ],
            1,
        )

    def features(self, patches: Tensor) -> Tensor:
        """patches: (N, 1, 96, 64) -> (N, 26)."""
        return (self.describe(patches) - self.centre) / self.scale

    def forward(self, patches: Tensor) -> Tensor:
        """As `features`."""
        return self.features(patches)


def _rhythm(loudness: Tensor) -> Tensor:
    """(N, T) -> (N, 4): log energy of the changes of loudness by their speed."""
    steady = loudness - loudness.mean(1, keepdim=True)
    window = torch.hann_window(loudness.shape[1], device=loudness.device)
    energy = torch.fft.rfft(steady * window).abs().square()
    return torch.stack([energy[:, low:high].sum(1) for low, high in RHYTHMS], 1).add(FLOOR).log()
