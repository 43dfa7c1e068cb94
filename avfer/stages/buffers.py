"""What stages keep from one chunk to the next: decoded frames, and rows that wait for their block to be complete."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from avfer.rows import RowsOfFaces, concat, concat_clocks, select
from avfer.types import Clock, FrameBatch

BLOCK_FRAMES = 32  # frames of one block


@dataclass(frozen=True)
class FrameBuffer:
    """Consecutive frames in the batches in which they were decoded; no pixel is copied."""

    batches: tuple[FrameBatch, ...] = ()

    def add(self, batch: FrameBatch) -> "FrameBuffer":
        """Return the buffer with the next batch of the clip."""
        return FrameBuffer((*self.batches, batch))

    def since(self, frame: int) -> "FrameBuffer":
        """Return the buffer without the batches that end before a frame; the last batch of a clip is kept."""
        return FrameBuffer(tuple(batch for batch in self.batches if batch.clock.stop > frame or batch.clock.last))

    def picture(self, frame: int) -> Tensor:
        """Return the pixels of one frame by its index in the clip: (H, W, 3) uint8 RGB.

        Raises IndexError if the frame is not in the buffer.
        """
        for batch in self.batches:
            if batch.clock.first <= frame < batch.clock.stop:
                return batch.pixels[frame - batch.clock.first]
        raise IndexError(f"frame {frame} is not in the buffer")

    @property
    def clock(self) -> Clock:
        """The clock of all frames in the buffer."""
        return concat_clocks(batch.clock for batch in self.batches)


def split_blocks(waiting: RowsOfFaces | None, new: RowsOfFaces) -> tuple[list[RowsOfFaces], RowsOfFaces]:
    """Regroup rows into blocks of BLOCK_FRAMES frames that lie at fixed places in the clip.

    The shape of a batch changes the last bits of a network's outputs. Blocks make that shape depend on the clip alone
    and not on the places where it was cut. Returns the complete blocks in order, and the rows that wait for the next
    call; at the end of the clip no row waits.
    """
    rows = new if waiting is None else concat([waiting, new])
    clock = rows.clock
    edges = [clock.first, *range((clock.first // BLOCK_FRAMES + 1) * BLOCK_FRAMES, clock.stop + 1, BLOCK_FRAMES)]
    if clock.last and (edges[-1] < clock.stop or len(edges) == 1):
        edges.append(clock.stop)
    cuts = np.searchsorted(rows.faces.frames, edges)
    whole = [
        select(rows, slice(cuts[i], cuts[i + 1]), clock.part(edges[i], edges[i + 1])) for i in range(len(edges) - 1)
    ]
    return whole, select(rows, slice(cuts[-1], None), clock.part(edges[-1], clock.stop))
