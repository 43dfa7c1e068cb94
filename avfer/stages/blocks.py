"""Rows regrouped into blocks of frames that lie at fixed places in the clip.

The last bits of a network's output depend on the shape of its batch. Blocks make that shape depend on the
clip alone, not on where the chunks were cut.
"""

import numpy as np

from avfer.types import Rows, concat, select

FRAMES = 32  # in one block


def blocks(held: Rows | None, new: Rows) -> tuple[list[Rows], Rows]:
    """Whole blocks in order, and what remains for the next call. At the end of the clip nothing remains."""
    rows = new if held is None else concat([held, new])
    clock = rows.clock
    frames = (rows if not hasattr(rows, "faces") else rows.faces).frames  # pyright: ignore[reportAttributeAccessIssue]
    edges = [clock.first, *range((clock.first // FRAMES + 1) * FRAMES, clock.stop + 1, FRAMES)]
    if clock.last and (edges[-1] < clock.stop or len(edges) == 1):
        edges.append(clock.stop)
    cuts = np.searchsorted(frames, edges)
    whole = [
        select(rows, slice(cuts[i], cuts[i + 1]), clock.part(edges[i], edges[i + 1])) for i in range(len(edges) - 1)
    ]
    return whole, select(rows, slice(cuts[-1], None), clock.part(edges[-1], clock.stop))
