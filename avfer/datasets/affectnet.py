"""AffectNet (Mollahosseini et al., 2017): faces of the web with an expression, valence and arousal."""

from collections.abc import Iterator
from pathlib import Path

from avfer.datasets.affectnet_arrays import SETS, Cut
from avfer.datasets.affectnet_lists import FILES, LISTS, Lists, Told
from avfer.datasets.example import Example, Labels, Notes, Partition
from avfer.datasets.listing import check_root, not_found
from avfer.datasets.partitions import LACKING
from avfer.datasets.stills import one_class, one_value
from avfer.errors import ConfigError, DatasetError, unknown

CLASSES = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
NO_CLASS = {8: "none", 9: "uncertain", 10: "no face"}
NO_AFFECT = -2.0
ONE_ALONE = "pictures with a sentinel in one of valence and arousal alone: both not valid"
OUTSIDE = "pictures with valence or arousal outside [-1, 1] that is no sentinel: not valid"
EXPRESSIONLESS = "pictures told to be {}: kept, the expression not valid"
LEFT_OUT = "pictures of none of the classes: left out, as asked"
CONTEMPT = "pictures of contempt, which is not among 7 classes: kept, the expression not valid"


class AffectNet:
    """AffectNet on disk: the lists of the full release with folders of pictures, or `train_set` and `val_set` of 2021.

    annotations: "manual", or "automatic" to learn from the list that a network annotated (dev stays manual).
    classes: 8, or 7 to leave contempt out.
    labelled: True to leave out pictures of none of the classes (without a face, say), and not only their expression.
    """

    name = "affectnet"

    def __init__(
        self, root: Path | str, annotations: str = "manual", classes: int = len(CLASSES), labelled: bool = False
    ) -> None:
        self.root = check_root(root)
        self.notes = Notes()
        if annotations not in LISTS:
            raise ConfigError(f"affectnet: {unknown('annotations', annotations, LISTS)}")
        if classes not in (7, 8):
            raise ConfigError(f"affectnet: classes {classes}; choose 8, or 7 to leave contempt out")
        self._classes, self._labelled = CLASSES[:classes], labelled
        self._source: Cut | Lists = Cut(self.root)
        if annotations == "automatic" or not self._source.partitions:
            self._source = Lists(self.root, annotations)
        if not self._source.partitions or (annotations == "automatic" and "train" not in self._source.partitions):
            looked_for = [f"{LISTS[annotations][0]}/{name}" for name in FILES[annotations].values()][:1]
            cut = [f"{SETS['train'][0]}/annotations"] if annotations == "manual" else []
            raise not_found("AffectNet", self.root, (*looked_for, *cut))
        for partition in FILES[annotations]:
            if partition not in self._source.partitions:
                self.notes.add(LACKING, f"{self.root}, {partition}")
        self.distribution = self._source.distribution
        told = ", ".join(CLASSES[classes:])
        self.protocol = f"partitions as distributed; {classes} classes{f', without {told}' if told else ''}"
        self.protocol += "; pictures of these alone" if labelled else ""

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Train and dev, where they are there; nobody has test."""
        return self._source.partitions

    def examples(self, partition: Partition) -> Iterator[Example]:
        """One picture at a time."""
        for told in self._source.told(partition, self.notes):
            if self._labelled and len(self._classes) <= told.code <= max(NO_CLASS):
                self.notes.add(LEFT_OUT, told.id)
                continue
            labels = {"expression": self._expression(told), **self._affect(told)}
            yield Example(told.id, partition, labels, pictures=(told.picture,))

    def _expression(self, told: Told) -> Labels:
        if told.code in NO_CLASS:
            self.notes.add(EXPRESSIONLESS.format(NO_CLASS[told.code]), told.id)
            return one_class(None, self._classes)
        if not 0 <= told.code < len(CLASSES):
            raise DatasetError(f"{self.root}, {told.id}: class {told.code}; AffectNet counts from 0 to 10")
        if told.code >= len(self._classes):
            self.notes.add(CONTEMPT, told.id)
        return one_class(CLASSES[told.code], self._classes)

    def _affect(self, told: Told) -> dict[str, Labels]:
        pair = (told.valence, told.arousal)
        unseen = pair.count(NO_AFFECT)
        if unseen == 1:
            self.notes.add(ONE_ALONE, told.id)
        elif not unseen and not all(-1 <= value <= 1 for value in pair):
            self.notes.add(OUTSIDE, told.id)
        return {"valence": one_value(told.valence, not unseen), "arousal": one_value(told.arousal, not unseen)}
