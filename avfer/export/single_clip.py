"""The clip of a table that an exporter for one clip gets."""

import pyarrow as pa

from avfer.errors import ConfigError, shortened
from avfer.export.person_rows import ClipRows, clips_of


def single_clip(table: pa.Table) -> ClipRows:
    """Return the clip of a table with its people.

    Raises ConfigError if the table has no rows, or those of several clips.
    """
    clips = clips_of(table)
    if not clips:
        raise ConfigError("the table has no rows, so there is nothing to export; run the clip again")
    if len(clips) > 1:
        names = shortened([clip.source or clip.clip for clip in clips], 3)
        raise ConfigError(f"the table has rows of {len(clips)} clips ({names}); export the table of one clip")
    return clips[0]
