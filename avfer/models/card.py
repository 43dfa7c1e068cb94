"""What a user must know of a network, and what the stages read to use it."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

MARKS = {  # how sure a published number is
    "A": "abstract or survey",
    "C": "authors' code or README",
    "I": "benchmark index",
    "R": "recalled, not re-checked",
}


def changed_options(options: Mapping[str, tuple[Any, Any]]) -> dict[str, Any]:
    """Return the options whose value differs from the default: name -> (value, default) to name -> value."""
    return {name: value for name, (value, default) in options.items() if value != default}


class Metric(BaseModel):
    """A number that avfer measured, and how."""

    name: str
    value: float
    protocol: str


class Published(BaseModel):
    """A number that the authors or others reported; `mark` tells how far it is confirmed."""

    data: str  # "AffectNet-7"
    value: float
    mark: Literal["A", "C", "I", "R"]
    metric: str = "accuracy %"


class ClassOrder(BaseModel):
    """The order in which checkpoints of one corpus number the classes."""

    name: str  # of the corpus: "raf_db"
    classes: list[str]
    proven: bool = True  # False: nothing public states it; import asks for it


class Card(BaseModel):
    """Of a weight file, or of a network of the catalog with the options it has by default."""

    model_config = ConfigDict(extra="forbid")

    name: str  # of the model in the catalog
    task: str
    description: str
    options: dict[str, Any] = {}  # of the model's constructor
    inputs: dict[str, int] = {}  # features an affect model reads: {"face": 256, "voice": 128}
    trained_on: dict[str, str] = {}  # the backbones whose features those are: {"face": "aver_lite"}
    head: str | None = None  # the affect model whose embedded weights read this backbone
    features: int | None = None  # width of the embedding
    classes: list[str] = []  # expressions, in the order of the logits
    assumed: str = ""  # the corpus whose class order was taken because the file does not state one
    action_units: list[str] = []  # in the order of the logits
    valence_arousal: bool = False  # whether the network itself tells them
    size: int | None = None  # px, side of the crop
    colour: Literal["rgb", "bgr"] = "rgb"  # order of the channels that the network reads
    mean: list[float] = []  # per channel in that order, of pixels in [0, 1]
    std: list[float] = []
    template: list[tuple[float, float]] = []  # five landmarks in the crop, as shares of its side
    orders: list[ClassOrder] = []  # known class orders of the authors' checkpoints, the likeliest first
    layout: str = ""  # whose the layers are: "as in the authors' code", or what was left to us
    onnx: bool = False  # whether it can be exported to ONNX
    data: str = ""
    licence_code: str = "Apache-2.0"
    licence_weights: str = ""
    sources: list[str] = []
    published: list[Published] = []
    metrics: list[Metric] = []
    sha256: str | None = None

    def width(self, modality: str) -> int:
        """Features that the network gives of the "face" or the "voice"; 0 where the card does not tell."""
        return self.inputs.get(modality, self.features or 0)
