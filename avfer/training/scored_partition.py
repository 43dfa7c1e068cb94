"""What the partition that selects the best epoch contains: how many examples, and which names no label has."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from avfer.losses.affect_labels import AffectLabels
from avfer.training.labels import TargetNames
from avfer.training.training_config import NO_DELAY, Delays


@dataclass(frozen=True)
class ScoredPartition:
    """The content of a partition, as far as it limits the meaning of a score."""

    examples: int  # recordings or pictures
    noun: str  # what an example is, in the plural: "recordings" or "pictures"
    absent: tuple[str, ...]  # classes and action units that no valid label has
    delays: Delays = NO_DELAY  # s, by which labels of valence and of arousal were moved
    whole_clips: int = 0  # examples with one label for their whole length

    @classmethod
    def of(
        cls,
        examples: int,
        noun: str,
        labels: Iterable[AffectLabels],
        names: TargetNames,
        delays: Delays = NO_DELAY,
        whole_clips: int = 0,
    ) -> Self:
        """Return the content of a partition with some labels, (N, ...) each, in the order of the names."""
        occurring = set[str]()
        for part in labels:
            occurring |= {names.classes[index] for index in part.expression[part.expression_valid].unique().tolist()}
            present = ((part.action_units > 0) & part.action_units_valid).any(0).tolist()
            occurring |= {name for name, found in zip(names.action_units, present, strict=True) if found}
        absent = tuple(name for name in (*names.classes, *names.action_units) if name not in occurring)
        return cls(examples, noun, absent, delays, whole_clips)
