"""If the sound of a clip ends after its frames, the stages that read frames run on and add no rows."""

from typing import Any

import pytest

from avfer import stage as stages
from avfer.stages.align import AlignFaces
from avfer.stages.track import TrackFaces
from tests.laws import part
from tests.stages.test_faces import COUNT, clip, detect, embed

FRAMES, FOUND, ROWS, CROPS = range(4)


@pytest.mark.parametrize(
    ("make", "inputs"),
    [
        (detect, (FRAMES,)),
        (TrackFaces, (FRAMES, FOUND)),
        (AlignFaces, (FRAMES, ROWS)),
        (embed, (CROPS,)),
    ],
    ids=["detect", "track", "align", "embed"],
)
def test_a_step_after_the_last_frame_adds_nothing(make: Any, inputs: tuple[int, ...]) -> None:
    stage, values = make(), [clip()[index] for index in inputs]
    state, whole = stages.run(stage, stages.start(stage), values)
    assert whole.clock.last and len(whole.clock) == COUNT
    for _ in range(2):
        state, more = stages.run(stage, state, [part(value, COUNT, COUNT, last=True) for value in values])
        assert (more.clock.first, len(more.clock), more.clock.last) == (COUNT, 0, True)
