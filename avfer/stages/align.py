"""align_faces: crop each face, rotated upright and scaled by its five landmarks."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field

from avfer.errors import ConfigError
from avfer.models.card import Card
from avfer.option_types import Count, Number, check_options
from avfer.signal.geometry import ARCFACE, inverse, similarity, warp
from avfer.stage import HasCard
from avfer.stages.buffers import FrameBuffer
from avfer.stages.select_faces import PersonChoice, persons_found, select_faces, warn_if_absent
from avfer.types import FaceCrops, FaceTracks, FrameBatch

Coordinate = Annotated[Number, Field(ge=-1, le=2)]  # share of the side of a crop
Points = Annotated[tuple[tuple[Coordinate, Coordinate], ...], Field(min_length=5, max_length=5)]
DEFAULT_SIZE = 112  # px, if neither an option nor a card states the size


@dataclass(frozen=True)
class AlignState:
    """The frames that are still needed, and the persons of the clip so far."""

    buffer: FrameBuffer = field(default_factory=FrameBuffer)  # frames whose tracks are not complete yet
    persons: frozenset[int] = frozenset()  # numbers; empty unless the option `person` is a number


@dataclass
class AlignFaces:
    """Cut faces out by the similarity transform that maps their landmarks to a template.

    Size and template come from the card of the backbone that reads the crops, unless options state them. `person`
    chooses the faces that are cut out and predicted: all, the largest or the leftmost of each frame, or those of the
    person with a number. If a clip has no such person, an AvferWarning names those that it has.
    """

    size: Annotated[Count, Field(ge=8, le=1024)] | None = None  # px, side of a crop
    template: Literal["card", "arcface"] = "card"  # of the card of the backbone, or "arcface": the option `points`
    points: Points = ARCFACE  # template as (x, y) shares of the side, in the landmarks' order
    person: PersonChoice = "all"  # all, largest, leftmost, or the number of a person

    def __post_init__(self) -> None:
        check_options(self)
        if np.ptp(np.array(self.points), axis=0).max() == 0:
            raise ConfigError("points: must be five landmarks that do not all lie at one place")

    def for_readers(self, readers: Sequence[Any]) -> "AlignFaces":
        """Return the stage with size and template of the backbone that reads the crops.

        Raises ConfigError if several backbones read them that need different crops.
        """
        cards = [reader.card for reader in readers if isinstance(reader, HasCard)]
        adapted = [self._for_card(card) for card in cards]
        if any(stage != adapted[0] for stage in adapted):
            needs = ", ".join(f"{card.name} of {card.size} px" for card in cards)
            raise ConfigError(f"networks that need different crops read it ({needs}); add an align_faces for each")
        return adapted[0] if adapted else self

    def _for_card(self, card: Card) -> "AlignFaces":
        """Return the stage with the size and the template of a card, but for those that options state."""
        points = tuple(card.template) if self.template == "card" and card.template else self.points
        return replace(self, size=self.size or card.size, points=points)

    def start(self) -> AlignState:
        """Return the state without frames."""
        return AlignState()

    def step(self, state: AlignState, frames: FrameBatch, tracks: FaceTracks) -> tuple[AlignState, FaceCrops]:
        """Return the crops of `tracks`; frames for which the tracks are not complete stay in the buffer."""
        buffer, side = state.buffer.add(frames), self.size or DEFAULT_SIZE
        persons = state.persons | persons_found(tracks) if isinstance(self.person, int) else state.persons
        if tracks.clock.last:
            warn_if_absent(self.person, persons)
        tracks = select_faces(tracks, self.person)
        target = np.array(self.points) * side
        to_crop = similarity(tracks.landmarks, target)
        crops = [
            warp(buffer.picture(frame), transform, side)
            for frame, transform in zip(tracks.frames.tolist(), inverse(to_crop), strict=True)
        ]
        pixels = torch.stack(crops) if crops else torch.zeros((0, side, side, 3), dtype=torch.uint8)
        return AlignState(buffer.since(tracks.clock.stop), persons), FaceCrops(tracks, pixels, to_crop)
