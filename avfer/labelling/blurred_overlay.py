"""The overlay of a labelled clip: its video with the results drawn and the faces blurred, `avfer label --blur`."""

from pathlib import Path
from typing import Literal, cast

from pyarrow.parquet import read_table

from avfer.atomic import atomic_rename
from avfer.export import find_exporter, output_suffix
from avfer.export.privacy import check_numbers_only
from avfer.labelling.entry import Entry
from avfer.labelling.store import Marker, Store, file_size
from avfer.option_types import check_given_option
from avfer.pipeline_config import PipelineSpec

KEY = "overlay"  # of a done marker: {"blur": "all", "file": "clips/talk.mp4.overlay.mp4", "bytes": 81239}


def check_blur(blur: str | None, spec: PipelineSpec) -> None:
    """Raise ConfigError if `blur` names no faces, or if videos are wanted from a pipeline with `numbers_only`."""
    check_given_option("--blur", blur, Literal["others", "all"])  # an empty text must not leave faces visible
    if blur is not None and spec.numbers_only:
        check_numbers_only("overlay", find_exporter("overlay"))


def has_overlay(store: Store, marker: Marker, blur: str | None) -> bool:
    """Return whether the done marker of a clip states the overlay that `blur` asks for, and its file is complete."""
    stated, path = marker.get(KEY, {}), overlay_path(store, marker)
    return blur is None or (stated.get("blur") == blur and (path is None or file_size(path) == stated["bytes"]))


def overlay_path(store: Store, marker: Marker) -> Path | None:
    """Return the overlay that the done marker of a clip states; None for a clip without frames, or without overlay."""
    file = marker.get(KEY, {}).get("file")
    return None if file is None else store.folder / file


def remove_overlay(store: Store, marker: Marker) -> None:
    """Remove the overlay that the earlier done marker of a clip states, because its table has been made again."""
    if path := overlay_path(store, marker):
        path.unlink(missing_ok=True)


def write_overlay(store: Store, entry: Entry, clip: Path, sound: Path | None, blur: str) -> Marker:
    """Write the overlay of a clip from its table, and return what its done marker states of it.

    clip: the local file of the clip. sound: its sound, if that is a separate file. blur: as `check_blur` accepts it. A
    clip without frames has no overlay, and `file` is null.

    Raises MediaError if the clip cannot be read, OutputError if the video cannot be written.
    """
    from avfer.export.face_blur import Blur
    from avfer.export.overlay import VideoOverlay

    table = read_table(store.table(entry.id))
    if table["frame"].null_count == len(table):
        return {KEY: {"blur": blur, "file": None}}
    overlay = VideoOverlay(blur=cast(Blur, blur))
    path = store.overlay(entry.id, output_suffix(overlay, clip))
    with atomic_rename(path, folder=store.parts) as part:
        if sound is None:
            overlay.write(table, clip, part)
        else:
            overlay.write_with_sound(table, clip, sound, part)
        size = part.stat().st_size
    return {KEY: {"blur": blur, "file": path.relative_to(store.folder).as_posix(), "bytes": size}}
