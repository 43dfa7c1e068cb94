"""One experiment of training, as its YAML says it."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from avfer.configurations import find_configuration, parse_mapping, read_text
from avfer.errors import ConfigError, unknown

Target = Literal["valence_arousal", "expression", "action_units"]
Share = Annotated[float, Field(ge=0, le=1)]
Amount = NonNegativeFloat
Decay = Annotated[float, Field(ge=0, lt=1)]


class Strict(BaseModel):
    """A part of the YAML in which every key is known."""

    model_config = ConfigDict(allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, content: Any) -> Any:
        for key in content if isinstance(content, dict) else ():
            if key not in cls.model_fields:
                raise ValueError(unknown("key", str(key), cls.model_fields))
        return content


class OptimiserConfig(Strict):
    """What changes the weights, and how fast."""

    name: Literal["adamw", "adam", "adabelief", "sgd"] = "adamw"
    rate: Amount = 1e-3
    rates: dict[str, Amount] = {}  # factors of the rate for parts of the network: {"backbone": 0.1, "stn": 0.01}
    layer_decay: Share = 1.0  # factor of the rate from each block of a vision transformer to the one below
    betas: tuple[Decay, Decay] = (0.9, 0.999)  # of all but sgd
    betas_of: dict[str, tuple[Decay, Decay]] = {}  # of parts with others: {"discriminator": [0.5, 0.9]}
    momentum: Decay = 0.9  # of sgd
    weight_decay: Amount = 0.01
    decay_vectors: bool = False  # biases and norms too
    sam: Amount = 0.0  # radius of sharpness-aware steps, 0 for none
    schedule: Literal["constant", "cosine", "step", "one_cycle"] = "cosine"
    warm_up: Share = 0.0  # share of all steps
    drop: Amount = 0.1  # of step: factor of the rate after every so many epochs, or after those of a list: [15, 40]
    every: PositiveInt | list[PositiveInt] = 1


class LossConfig(Strict):
    """How outputs are held against labels; a target that is not there weighs nothing."""

    valence_arousal: Amount = 1.0  # weight of 1 - CCC
    over: Literal["joined", "sequences"] = "joined"  # what the CCC is computed over
    expression: Amount = 1.0  # weight of the cross-entropy, or of the divergence from votes
    smoothing: Share = 0.0  # of labels
    votes: bool = True  # learn the shares of the votes where a corpus tells them
    action_units: Amount = 1.0  # weight of the binary cross-entropy
    balanced: bool = True  # rare action units weigh more
    coupling: Amount = 0.0  # weight of expressions and action units that teach each other


class Augmentation(Strict):
    """What is done to a picture before it is learned from; the rest of its labels stays true."""

    flip: Share = 0.0  # chance of being mirrored
    crop: Share = 1.0  # smallest share of the area that a random crop keeps
    turn: Amount = 0.0  # degrees, at most
    shift: Share = 0.0  # share of the side, at most
    zoom: tuple[float, float] = (1.0, 1.0)
    moved: Share = 1.0  # chance of turn, shift and zoom
    jitter: Amount = 0.0  # change of brightness, contrast and saturation, at most
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0  # turn of the colours, share of the whole circle, at most 0.5
    jittered: Share = 1.0  # chance of jitter and hue
    noise: Amount = 0.0  # standard deviation of normal noise on the picture as it is read, as a share of white
    noised: Share = 1.0  # chance of noise
    grey: Share = 0.0  # chance
    blur: Share = 0.0  # chance
    erase: Share = 0.0  # chance of a rectangle of nothing
    erase_area: tuple[Share, Share] = (0.02, 0.33)  # its share of the area


AUGMENTATIONS = {
    "none": Augmentation(),
    "light": Augmentation(flip=0.5, crop=0.8, jitter=0.2),
    "strong": Augmentation(
        flip=0.5, crop=0.5, turn=20, moved=0.7, jitter=0.4, jittered=0.8, grey=0.2, blur=0.2, erase=0.5
    ),
}


class Mixing(Strict):
    """Pictures mixed with others of their batch, and their labels in the same shares; half of each where both are."""

    mixup: Amount = 0.0  # pictures shine through; alpha of the share's Beta distribution, 0 for none
    cutmix: Amount = 0.0  # a rectangle is another picture's; alpha of the same, 0 for none


class BackboneConfig(Strict):
    """A face network that is trained together with the model over time, from crops in place of features."""

    name: str
    weights: str | None = None  # to begin with: "builtin", a file, or a URL with its sha256
    options: dict[str, Any] = {}  # of a network without weights
    frozen: bool = False  # it stays as it is, and the model learns


class TripletConfig(Strict):
    """A corpus of triplets of faces, of which two look more alike, learned beside the labels."""

    corpus: str = "fec"
    root: Path
    options: dict[str, Any] = {}
    partition: Literal["train", "dev"] = "train"
    batch: PositiveInt = 16  # triplets beside each batch of pictures


class UnlabelledConfig(Strict):
    """A folder of faces without labels, for losses that read none: what a teacher tells, puzzles, in-painting."""

    root: Path  # pictures of one face each, in folders of any names
    batch: PositiveInt = 32  # faces beside each batch of pictures


def _by_stage(settings: Any) -> Any:
    """{"look": {"backbone": ...}}, as --set settings.look.backbone=... has it, is {"look.backbone": ...} too."""
    if not isinstance(settings, dict):
        return settings
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= {f"{key}.{option}": v for option, v in value.items()} if isinstance(value, dict) else {key: value}
    return flat


class TrainConfig(Strict):
    """An experiment; every field may stand in the YAML or behind --set."""

    corpus: str
    root: Path
    options: dict[str, Any] = {}  # of the corpus: {"task": "va"}
    train: Literal["train", "dev"] = "train"  # partition learned from
    dev: Literal["dev", "test"] = "dev"  # partition that decides when to stop
    targets: list[Target] = ["valence_arousal"]  # none: a face network learns by its own losses alone, without labels
    output: Path = Path("avfer_train")

    model: str = "temporal"  # an affect model over features, a video model, or a backbone of pictures
    model_options: dict[str, Any] = {}
    backbone: BackboneConfig | None = None  # below an affect model; None for features that are made once
    weights: Path | None = None  # to begin with
    losses: dict[str, float] = {}  # further losses that the model has of its own: {"partition": 1.0}

    pipeline: str = "aver"  # its stages up to the affect model make the features, or crops for backbone:
    settings: Annotated[dict[str, Any], BeforeValidator(_by_stage)] = {}  # of it: {"look.backbone": "poster_v2"}
    length: PositiveInt = 300  # steps of a sequence; 16 to 80 where a backbone learns
    stride: PositiveInt = 150  # steps between the starts of two sequences
    delay: Amount | Literal["search"] | dict[Literal["valence", "arousal"], Amount] = 0.0  # s, labels moved earlier

    size: PositiveInt | None = None  # px, of pictures and crops; None for that of the network's card
    augment: Literal["none", "light", "strong"] | Augmentation = "light"  # crops of a sequence alike
    mix: Mixing = Mixing()  # after that
    balance: Literal["none", "sampler", "weights"] = "none"  # rare classes are drawn as often, or weigh more
    decide: Literal["accuracy", "f1_macro", "uar"] = "accuracy"  # score of the expressions of pictures
    new_head: bool = False  # `weights` tell other classes apart: layers of another shape begin anew
    start: dict[str, Path] = {}  # files of parts that the model begins with, by argument of its `start_from`
    combine: Literal["sum", "geometric_mean"] = "sum"  # of the loss of the labels and the further ones
    teacher: Path | None = None  # weights of a network that is learned from
    triplets: TripletConfig | None = None
    unlabelled: UnlabelledConfig | None = None

    epochs: PositiveInt = 30
    batch: PositiveInt = 16
    accumulate: PositiveInt = 1  # batches in one step
    clip: Amount = 1.0  # largest norm of a gradient, 0 for no bound
    ema: Decay = 0.0  # decay of the mean of the weights, 0 for none
    patience: PositiveInt = 8  # epochs without a better score before it stops
    loss: LossConfig = LossConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    save_every: PositiveInt = 200  # steps between checkpoints; one more at the end of each epoch

    seed: NonNegativeInt = 0
    device: str = "auto"
    devices: PositiveInt = 1  # processes
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    threads: PositiveInt = 1  # of each process
    workers: NonNegativeInt = 0  # threads that read pictures, 0 for as many as `threads`

    @model_validator(mode="after")
    def _something_is_learned(self) -> Self:
        if not self.losses and not any(getattr(self.loss, target) for target in self.targets):
            raise ValueError("targets:, loss: and losses: leave nothing to learn; give a target or a loss some weight")
        return self

    @model_validator(mode="after")
    def _sharpness_is_of_one_batch(self) -> Self:
        if self.optimiser.sam and self.accumulate > 1:
            raise ValueError("optimiser.sam takes two passes over one batch: leave out accumulate, or raise batch")
        return self


def read_config(name: str | Path, settings: dict[str, Any] | None = None) -> TrainConfig:
    """Read a training recipe, given as a path or as the name of a bundled one.

    `settings` replace keys of the file: {"optimiser.rate": 3e-4}. Raises ConfigError, with the key that is wrong.
    """
    path = find_configuration("recipe", name)
    content = parse_mapping(read_text(path), path, "corpus: and root:")
    for key, value in (settings or {}).items():
        _set(content, key.split("."), value)
    return make_config(content, str(path))


def make_config(content: dict[str, Any], where: str) -> TrainConfig:
    """Checked values; `where` is what an error calls them."""
    try:
        return TrainConfig.model_validate(content)
    except ValidationError as error:
        # Of the ways in which a value could be meant, the one that was understood furthest tells most.
        told = max(error.errors(), key=lambda e: (e["type"] == "value_error", len(e["loc"])))
        raise ConfigError(": ".join([where, *_place(content, told["loc"]), _fault(told)])) from None


def _fault(told: ErrorDetails) -> str:
    if told["type"] == "missing":
        return f"{told['loc'][-1]}: is missing; add it"
    if told["type"] == "value_error":
        return told["msg"].removeprefix("Value error, ")
    return f"{told['msg']}, not {told['input']!r}"


def _place(content: Any, location: tuple[int | str, ...]) -> list[str]:
    """The keys to a value as they are written (["optimiser.rate"]), without what tells ways to read it apart."""
    keys: list[str] = []
    for key in location:
        there: Any = dict(enumerate(content)) if isinstance(content, list) else content
        if isinstance(there, dict) and key in there:
            keys.append(str(key))
            content = there[key]
    return [".".join(keys)] if keys else []


def _set(content: dict[str, Any], path: list[str], value: Any) -> None:
    for key in path[:-1]:
        inner = content.setdefault(key, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {'.'.join(path)}: '{key}' has no options")
        content = inner
    content[path[-1]] = value
