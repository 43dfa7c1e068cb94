"""Tables of a few rows for hand-computed tests."""

from typing import Any

import pyarrow as pa

COLUMNS = ("clip", "time_s", "track", "person", "valence", "au12", "eye_closed", "expression", "p_joy", "p_fear")
TYPES = {
    **dict.fromkeys(COLUMNS, pa.float32()),
    **dict.fromkeys(("clip", "expression"), pa.string()),
    **dict.fromkeys(("track", "person"), pa.int32()),
    "time_s": pa.float64(),
}


def small_table(rows: list[dict[str, Any]], without: tuple[str, ...] = ()) -> pa.Table:
    """Return a table with the given rows; cells that are not given are null, and the clip is a.mp4.

    without: columns that the table lacks.
    """
    names = [name for name in COLUMNS if name not in without]
    schema = pa.schema([(name, TYPES[name]) for name in names])
    return pa.Table.from_pylist([{"clip": "a.mp4"} | row for row in rows], schema=schema)
