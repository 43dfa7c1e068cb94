"""How the audio of an overlay is encoded, and which of it belongs to the part that is shown."""

import io
import math
from pathlib import Path

import av
import pytest

from avfer.export.overlay_audio import OverlayPart, add_audio
from avfer.media import probe
from tests.media_maker import tone, write_clip


@pytest.mark.parametrize(
    ("rate", "channels", "encoded"),
    [
        (44_100, 1, ("aac", 44_100, "mono")),
        (48_000, 2, ("aac", 48_000, "stereo")),
        (8_000, 6, ("aac", 8_000, "stereo")),
        (37_800, 1, ("aac", 48_000, "mono")),  # a rate that AAC does not have
    ],
)
def test_audio_is_encoded_at_its_rate_with_two_channels_at_most(
    tmp_path: Path, rate: int, channels: int, encoded: tuple[str, int, str]
) -> None:
    clip = write_clip(tmp_path / "a.wav", sound=tone(0.2, rate, channels=channels), sample_rate=rate)
    with av.open(str(clip)) as source, av.open(io.BytesIO(), "w", format="mp4") as target:
        audio = add_audio(probe(clip), source, target, OverlayPart(-math.inf, math.inf, 0.0, 0.0))
        assert audio is not None
        (stream,) = target.streams.audio
        assert (stream.codec_context.name, stream.rate, stream.layout.name) == encoded
        audio.mux_until(math.inf)


def test_a_part_keeps_the_audio_of_its_own_time_wherever_it_lies_in_the_new_file() -> None:
    """Times of the new file are 0.5 s later than those of the table; the clip begins at 3 s of its container."""
    part = OverlayPart(start=1.0, stop=2.0, zero=3.0, shift=0.5)
    assert [part.keeps(time) for time in (1.49, 1.5, 2.49, 2.5)] == [False, True, True, False]
    assert part.offset == -2.5
