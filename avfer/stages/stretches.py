"""Read affect from stretches of features, for models that look ahead."""

from dataclasses import dataclass

import numpy as np
import torch

from avfer.affect_track import AffectTrack
from avfer.rows import concat, select
from avfer.stages.buffers import BLOCK_FRAMES
from avfer.stages.predict import PredictAffect, output_columns
from avfer.types import FaceFeatures, JointFeatures


@dataclass(frozen=True, eq=False)
class Held:
    """Rows that are not told yet, and those before them that their stretches reach."""

    rows: FaceFeatures | JointFeatures | None = None
    told: int = 0  # frames


@dataclass
class PredictStretches:
    """The same by a model that looks ahead: a block of frames is told once all that it reaches is there.

    For each track of a block the model reads the rows of `past` frames before it to `ahead` frames after it. Blocks
    lie at fixed places in the clip, so that no value depends on where it was cut.
    """

    affect: PredictAffect

    def load(self, device: torch.device) -> None:
        """Build the model and put its weights on the device."""
        self.affect.load(device)
        self.network = self.affect.network

    def files(self) -> dict[str, str]:
        """The weight file and its sha256."""
        return self.affect.files()

    def start(self) -> Held:
        """Nothing waits."""
        return Held()

    @torch.inference_mode()
    def step(self, state: Held, features: FaceFeatures | JointFeatures) -> tuple[Held, AffectTrack]:
        """The blocks that are ready; all that is left at the end of the clip."""
        rows = features if state.rows is None else concat([state.rows, features])
        clock, start = rows.clock, state.told
        ready = (clock.stop - self.network.ahead) // BLOCK_FRAMES * BLOCK_FRAMES
        stop = clock.stop if clock.last else max(start, ready)
        given = self._told(rows, start, stop)
        kept = max(clock.first, stop - self.network.past)
        held = select(rows, rows.faces.frames >= kept, clock.part(kept, clock.stop))
        return Held(held, stop), given

    def _told(self, rows: FaceFeatures | JointFeatures, start: int, stop: int) -> AffectTrack:
        face, voice, has_face, has_voice = self.affect.inputs(rows)
        there = self.affect.readable(has_face, has_voice)
        values = np.full((len(there), self.affect.width), np.nan, np.float32)
        frames, tracks, times = rows.faces.frames, rows.faces.track_ids, rows.faces.times
        for a in range(start, stop, BLOCK_FRAMES):
            b = min(a + BLOCK_FRAMES, stop)
            block = there & (frames >= a) & (frames < b)
            reached = there & (frames >= a - self.network.past) & (frames < b + self.network.ahead)
            for track in np.unique(tracks[block]):
                index = np.flatnonzero(reached & (tracks == track))
                at = torch.from_numpy(index).to(self.affect.device)
                flags = (torch.from_numpy(x[index]).to(self.affect.device)[None] for x in (has_face, has_voice))
                seconds = torch.from_numpy(times[index] - times[index[0]]).float().to(self.affect.device)[None]
                out = self.network.sequence(face[at][None], voice[at][None], *flags, times=seconds)
                told = output_columns(out.map(lambda x: x[0])).cpu().numpy()
                values[index[block[index]]] = told[block[index]]
        chosen = (frames >= start) & (frames < stop)
        part = select(rows, chosen, rows.clock.part(start, stop))
        return self.affect.track(part, values[chosen], has_face[chosen], has_voice[chosen])
