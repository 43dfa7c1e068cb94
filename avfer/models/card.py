"""The card of a network or weight file: the facts that users need, and the settings that stages read."""

from inspect import signature
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

MARKS = {  # source of a published number
    "A": "abstract or survey",
    "C": "authors' code or README",
    "I": "benchmark index",
    "R": "recalled, not re-checked",
}
FREE = ("apache-2.0", "mit", "bsd")  # licences that allow commercial use, in small letters, as timm writes them
IMAGENET_MEAN = [0.485, 0.456, 0.406]  # per channel of RGB, of pixels in [0, 1]
IMAGENET_STD = [0.229, 0.224, 0.225]


def changed_options(network: type, **options: Any) -> dict[str, Any]:
    """Return the options whose values differ from the defaults of a network's constructor.

    options: name of a parameter -> value; a list equals a default tuple with the same items.
    """
    defaults = {name: parameter.default for name, parameter in signature(network).parameters.items()}
    plain = {name: list(default) if isinstance(default, tuple) else default for name, default in defaults.items()}
    return {name: value for name, value in options.items() if value != plain[name]}


def _check_unique(names: list[str]) -> list[str]:
    """Return the names. Raises ValueError if one is repeated, because each is a column of the table."""
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"must be different names, got {', '.join(repeated)} more than once")
    return names


Names = Annotated[list[str], AfterValidator(_check_unique)]


class Metric(BaseModel):
    """A number that avfer measured."""

    name: str
    value: float
    protocol: str  # corpus, partition and rules of the measurement


class Published(BaseModel):
    """A number that the authors or others reported."""

    data: str  # "AffectNet-7"
    value: float
    mark: Literal["A", "C", "I", "R"]  # key of MARKS: how far the number is confirmed
    metric: str = "accuracy %"


class ClassOrder(BaseModel):
    """The order in which checkpoints of one corpus number the classes."""

    name: str  # of the corpus: "raf_db"
    classes: list[str]
    proven: bool = True  # False: no public source states it, and import requires --classes
    options: dict[str, Any] = {}  # of the network's constructor, for checkpoints of this corpus


class Card(BaseModel):
    """Facts on a weight file, or on a network of the catalog with its default options."""

    model_config = ConfigDict(extra="forbid")

    name: str  # of the model in the catalog
    task: str
    description: str
    options: dict[str, Any] = {}  # of the model's constructor
    inputs: dict[str, int] = {}  # widths of the features that an affect model reads: {"face": 256, "voice": 128}
    trained_on: dict[str, str] = {}  # backbones that made those features: {"face": "aver_lite"}
    head: str | None = None  # the affect model whose embedded weights read this backbone
    features: int | None = Field(default=None, ge=1)  # width of the embedding
    classes: Names = []  # expressions, in the order of the logits
    temperature: float = Field(default=1.0, gt=0)  # the logits of expressions are divided by it before the softmax
    assumed: str = ""  # the corpus whose class order is assumed, because the file does not state one
    action_units: Names = []  # in the order of the logits
    measured: list[str] = []  # action units whose movement a face measurer states: "AU12"
    valence_arousal: bool = False  # whether the network itself has a head for them
    size: int | None = Field(default=None, ge=1)  # px, side of the crop
    colour: Literal["rgb", "bgr"] = "rgb"  # order of the channels that the network reads
    mean: list[Annotated[float, Field(ge=0, le=1)]] = []  # per channel in that order, of pixels in [0, 1]
    std: list[Annotated[float, Field(gt=0, le=1)]] = []  # per channel in that order, of pixels in [0, 1]
    template: list[tuple[float, float]] = []  # five landmarks (x, y) in the crop, as shares of its side
    orders: list[ClassOrder] = []  # known class orders of the authors' checkpoints, the likeliest first
    layout: str = ""  # source of the layers: "as in the authors' code", and the parts that are our choice
    onnx: bool = False  # whether it can be exported to ONNX
    data: str = ""  # training data
    licence_code: str = "Apache-2.0"
    licence_weights: str = ""
    sources: list[str] = []  # papers, repositories with commits, files
    published: list[Published] = []
    metrics: list[Metric] = []
    sha256: str | None = None  # of the weight file

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        if (len(self.mean), len(self.std)) not in {(0, 0), (3, 3)}:
            raise ValueError(f"mean and std must have three numbers each, got {len(self.mean)} and {len(self.std)}")
        if len(self.template) not in {0, 5}:
            raise ValueError(f"template must have five points, got {len(self.template)}")
        return self

    @property
    def commercial(self) -> bool:
        """Whether the licence of the weights allows commercial use: Apache-2.0, MIT or BSD."""
        return self.licence_weights.lower().startswith(FREE)

    def width(self, modality: str) -> int:
        """Return the width of the features that the network makes of the "face" or the "voice"; 0 if unknown."""
        return self.inputs.get(modality, self.features or 0)
