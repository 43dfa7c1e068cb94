"""The protocol of speech detectors: what `detect_speech` needs to know about one."""

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class SpeechDetector(Protocol):
    """A causal network that reads one window of sound at 16 kHz after another.

    `detect_speech` loads it by its name in the catalog, or as `package.module:Name`: a torch module whose constructor
    takes no arguments. It runs on the CPU.
    """

    window: int  # samples from one window to the next
    context: int  # samples before a window that are read with it

    def start(self) -> Tensor:
        """Return the state before the first window: (...) float32, of a shape that the detector chooses."""
        ...

    def __call__(self, windows: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return the probability of speech in consecutive windows, and the state after the last of them.

        windows: (W, context + window) float32 in [-1, 1]; state: (...) -> (W,) float32 in [0, 1], (...).
        """
        ...
