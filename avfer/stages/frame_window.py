"""The decoded frames that a stage still needs."""

from dataclasses import dataclass

from torch import Tensor

from avfer.types import Clock, FrameBatch, concat_clocks


@dataclass(frozen=True)
class FrameWindow:
    """Consecutive frames, as the batches they came in: nothing is copied."""

    batches: tuple[FrameBatch, ...] = ()

    def add(self, batch: FrameBatch) -> "FrameWindow":
        return FrameWindow((*self.batches, batch))

    def since(self, frame: int) -> "FrameWindow":
        """Without the batches that end before `frame`."""
        return FrameWindow(tuple(batch for batch in self.batches if batch.clock.stop > frame or batch.clock.last))

    def picture(self, frame: int) -> Tensor:
        """(H, W, 3) uint8 RGB of one frame, by its index in the clip."""
        for batch in self.batches:
            if batch.clock.first <= frame < batch.clock.stop:
                return batch.pixels[frame - batch.clock.first]
        raise IndexError(f"frame {frame} is not in the window")

    @property
    def clock(self) -> Clock:
        return concat_clocks(batch.clock for batch in self.batches)
