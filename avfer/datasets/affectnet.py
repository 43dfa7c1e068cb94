"""AffectNet (Mollahosseini et al., 2017): faces from the web with an expression, valence and arousal."""

from collections.abc import Iterator
from pathlib import Path

from avfer.datasets.affectnet_files import CUT_FOLDERS, LIST_FILES, LIST_FOLDERS, CutRelease, FaceLabels, FullRelease
from avfer.datasets.example import Corpus, Example, Labels, Notes, Partition
from avfer.datasets.listing import MISSING_PARTITION, check_root, not_found
from avfer.datasets.single_label import one_class, one_value
from avfer.errors import ConfigError, DatasetError, unknown

CLASSES = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")  # class 0 to 7
NO_CLASS = {8: "none", 9: "uncertain", 10: "no face"}
SENTINEL = -2.0  # valence or arousal of a picture without one
ONE_SENTINEL = "pictures with a sentinel in one of valence and arousal alone: both not valid"
OUTSIDE = "pictures with valence or arousal outside [-1, 1] and no sentinel: not valid"
NO_EXPRESSION = "pictures labelled '{}': kept, the expression not valid"
LEFT_OUT = "pictures of none of the classes: left out (labelled=True)"
CONTEMPT = "pictures of contempt, which is not among 7 classes: kept, the expression not valid"


class AffectNet(Corpus):
    """AffectNet on disk: the lists of the full release with folders of pictures, or `train_set` and `val_set` of 2021.

    full release:  Manually_Annotated_file_lists/{training,validation}.csv
                   Manually_Annotated_Images/12/abc.jpg
    2021:          train_set/images/2.jpg, train_set/annotations/2_{exp,val,aro}.npy; val_set alike

    Labels of each picture: "expression" (1,) of 7 or 8 classes, "valence" and "arousal" (1,). The validation set of
    the full release (500 pictures of each class) is dev; test was never released.
    annotations: "manual", or "automatic" to train on the list that a network annotated (dev stays manual).
    classes: 8, or 7 to leave contempt out.
    labelled: True leaves out pictures of none of the classes (such as pictures without a face); False keeps them with
    an expression that is not valid.

    root: folder of either release.
    """

    name = "affectnet"

    def __init__(
        self, root: Path | str, annotations: str = "manual", classes: int = len(CLASSES), labelled: bool = False
    ) -> None:
        self.root = check_root(root)
        self.notes = Notes()
        if annotations not in LIST_FOLDERS:
            raise ConfigError(f"affectnet: {unknown('annotations', annotations, LIST_FOLDERS)}")
        if classes not in (7, 8):
            raise ConfigError(f"affectnet: classes must be 8, or 7 to leave contempt out, got {classes}")
        self._classes, self._labelled = CLASSES[:classes], labelled
        self._release: CutRelease | FullRelease = CutRelease(self.root)
        if annotations == "automatic" or not self._release.partitions:
            self._release = FullRelease(self.root, annotations)
        if not self._release.partitions or (annotations == "automatic" and "train" not in self._release.partitions):
            looked_for = [f"{LIST_FOLDERS[annotations][0]}/{name}" for name in LIST_FILES[annotations].values()][:1]
            cut = [f"{CUT_FOLDERS['train'][0]}/annotations"] if annotations == "manual" else []
            raise not_found("AffectNet", self.root, (*looked_for, *cut))
        for partition in LIST_FILES[annotations]:
            if partition not in self._release.partitions:
                self.notes.add(MISSING_PARTITION, f"{self.root}, {partition}")
        self.distribution = self._release.distribution
        without = ", ".join(CLASSES[classes:])
        self.protocol = f"partitions as distributed; {classes} classes{f', without {without}' if without else ''}"
        self.protocol += "; pictures of these alone" if labelled else ""

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Return train and dev, as far as they are on disk; the test partition was never released."""
        return self._release.partitions

    def examples(self, partition: Partition) -> Iterator[Example]:
        """Yield one picture at a time. Raises DatasetError for a damaged list or array."""
        for face in self._release.faces(partition, self.notes):
            if self._labelled and len(self._classes) <= face.code <= max(NO_CLASS):
                self.notes.add(LEFT_OUT, face.id)
                continue
            labels = {"expression": self._expression(face), **self._affect(face)}
            yield Example(face.id, partition, labels, pictures=(face.picture,))

    def _expression(self, face: FaceLabels) -> Labels:
        """Return the expression (1,), not valid for "none", "uncertain", "no face" and a class that is left out."""
        if face.code in NO_CLASS:
            self.notes.add(NO_EXPRESSION.format(NO_CLASS[face.code]), face.id)
            return one_class(None, self._classes)
        if not 0 <= face.code < len(CLASSES):
            raise DatasetError(
                f"{self.root}, {face.id}: class must be 0 to {max(NO_CLASS)}, got {face.code}; copy the labels again"
            )
        if face.code >= len(self._classes):
            self.notes.add(CONTEMPT, face.id)
        return one_class(CLASSES[face.code], self._classes)

    def _affect(self, face: FaceLabels) -> dict[str, Labels]:
        """Return valence and arousal; both are not valid if one of them is the sentinel."""
        valence_arousal = (face.valence, face.arousal)
        sentinels = valence_arousal.count(SENTINEL)
        if sentinels == 1:
            self.notes.add(ONE_SENTINEL, face.id)
        elif not sentinels and not all(-1 <= value <= 1 for value in valence_arousal):
            self.notes.add(OUTSIDE, face.id)
        return {"valence": one_value(face.valence, not sentinels), "arousal": one_value(face.arousal, not sentinels)}
