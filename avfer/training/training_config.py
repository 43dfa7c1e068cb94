"""The configuration of a training run, as its YAML file states it.

configs/train has one file for each recipe, configs/README.md a table of them. A minimal one:

    corpus: table
    root: /data/mine
    targets: [valence_arousal]
    model: temporal
    output: avfer_train/mine

Unknown keys, values out of range and keys of earlier versions are refused when the file is read.
"""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from avfer.configurations import find_configuration, read_text
from avfer.errors import ConfigError, unknown
from avfer.local_paths import LocalPath
from avfer.option_types import Count, Number, Share, Threads, first_problem, key_error
from avfer.yaml_reader import YamlDocument, parse_mapping

Target = Literal["valence_arousal", "expression", "action_units"]
Delays = tuple[float, float]  # s, by which labels of valence and of arousal are moved earlier
NO_DELAY: Delays = (0.0, 0.0)
Amount = Annotated[Number, Field(ge=0, le=1e6)]
Decay = Annotated[Number, Field(ge=0, lt=1)]
Positive = Annotated[Count, Field(gt=0, le=1_000_000)]
Batch = Annotated[Count, Field(gt=0, le=65_536)]
Factor = Annotated[Number, Field(ge=0.01, le=100)]
Weight = Annotated[Number, Field(ge=-1e6, le=1e6)]
Side = Annotated[Count, Field(ge=8, le=1024)]  # px


class Strict(BaseModel):
    """A section of the YAML file that accepts known keys only."""

    model_config = ConfigDict(allow_inf_nan=False)
    removed: ClassVar[dict[str, str]] = {}  # keys of earlier versions -> what replaces them

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, content: Any) -> Any:
        """Refuse removed and unknown keys, and name what replaces them or the nearest known key."""
        for key in content if isinstance(content, dict) else ():
            if key in cls.removed:
                raise key_error(key, f"the key '{key}' was removed: {cls.removed[key]}")
            if key not in cls.model_fields:
                raise key_error(str(key), unknown("key", str(key), cls.model_fields))
        return content


class OptimiserConfig(Strict):
    """The optimiser and its learning rates."""

    name: Literal["adamw", "adam", "adabelief", "sgd"] = "adamw"
    rate: Amount = 1e-3
    rates: dict[str, Amount] = {}  # factors of the rate for parts of the network: {"backbone": 0.1, "stn": 0.01}
    layer_decay: Share = 1.0  # factor of the rate from each block of a vision transformer to the block below
    betas: tuple[Decay, Decay] = (0.9, 0.999)  # not for sgd
    betas_of: dict[str, tuple[Decay, Decay]] = {}  # betas of parts of the network: {"discriminator": [0.5, 0.9]}
    momentum: Decay = 0.9  # for sgd
    weight_decay: Amount = 0.01
    decay_vectors: bool = False  # weight decay of biases and norms too
    sam: Amount = 0.0  # radius of sharpness-aware steps, 0 for plain steps
    schedule: Literal["constant", "cosine", "step", "one_cycle"] = "cosine"
    warm_up: Share = 0.0  # share of all steps
    drop: Amount = 0.1  # for step: factor of the rate after every `every` epochs
    every: Positive | list[Positive] = 1  # epochs, or the list of epochs after which the rate drops: [15, 40]

    @property
    def depends_on_epochs(self) -> bool:
        """Return whether the rate of a step depends on the number of epochs."""
        return self.schedule in {"cosine", "one_cycle"} or self.warm_up > 0


class LossConfig(Strict):
    """The losses against labels; a target that is not in `targets:` has no loss."""

    removed: ClassVar[dict[str, str]] = {
        "coupling": "no published recipe used it; learn expressions and action units by targets: alone"
    }
    valence_arousal: Amount = 1.0  # weight of 1 - CCC
    over: Literal["joined", "sequences"] = "joined"  # CCC of all steps of a batch as one series, or of each sequence
    expression: Amount = 1.0  # weight of the cross-entropy, or of the divergence from the votes
    smoothing: Share = 0.0  # label smoothing
    votes: bool = True  # learn the shares of the annotators' votes if the corpus has them
    action_units: Amount = 1.0  # weight of the binary cross-entropy
    balanced: bool = True  # rare action units weigh more


class Augmentation(Strict):
    """Random changes of an image before training; labels stay the same."""

    flip: Share = 0.0  # chance of a horizontal flip
    crop: Share = 1.0  # smallest share of the area that a random crop keeps
    turn: Amount = 0.0  # largest rotation, degrees
    shift: Share = 0.0  # largest shift, share of the side
    zoom: tuple[Factor, Factor] = (1.0, 1.0)  # range of the scale
    moved: Share = 1.0  # chance of turn, shift and zoom
    jitter: Amount = 0.0  # largest change of brightness, contrast and saturation
    hue: Annotated[Number, Field(ge=0, le=0.5)] = 0.0  # largest change of hue, share of the colour circle
    jittered: Share = 1.0  # chance of jitter and hue
    noise: Amount = 0.0  # standard deviation of normal noise, share of the range of pixel values
    noised: Share = 1.0  # chance of noise
    grey: Share = 0.0  # chance of no colour
    blur: Share = 0.0  # chance of blur
    erase: Share = 0.0  # chance of an erased rectangle
    erase_area: tuple[Share, Share] = (0.02, 0.33)  # range of its share of the area


AUGMENTATIONS = {
    "none": Augmentation(),
    "light": Augmentation(flip=0.5, crop=0.8, jitter=0.2),
    "strong": Augmentation(
        flip=0.5, crop=0.5, turn=20, moved=0.7, jitter=0.4, jittered=0.8, grey=0.2, blur=0.2, erase=0.5
    ),
}


class Mixing(Strict):
    """Images mixed with others of their batch, and their labels in the same shares; half of each if both are set."""

    mixup: Amount = 0.0  # blend of two images; alpha of the share's Beta distribution, 0 for none
    cutmix: Amount = 0.0  # a rectangle of another image; alpha of the share's Beta distribution, 0 for none

    @property
    def is_active(self) -> bool:
        """Return whether images are mixed."""
        return bool(self.mixup or self.cutmix)


class BackboneConfig(Strict):
    """A face network that is trained end to end with an affect model, from crops in place of features."""

    name: str
    weights: str | None = None  # to start from: "builtin", a file, or a URL with its sha256
    options: dict[str, Any] = {}  # of the network's constructor
    frozen: bool = False  # train the affect model alone


class TripletConfig(Strict):
    """A corpus of triplets of faces, two of which look more alike, drawn in addition to the labelled images."""

    corpus: str = "fec"
    root: LocalPath
    options: dict[str, Any] = {}
    partition: Literal["train", "dev"] = "train"
    batch: Batch = 16  # triplets in addition to each batch of images


class UnlabelledConfig(Strict):
    """A folder of faces without labels, for losses that read none: a teacher's predictions, puzzles, in-painting."""

    root: LocalPath  # images of one face each, in subfolders of any names
    batch: Batch = 32  # faces in addition to each batch of images


def _flatten_settings(settings: Any) -> Any:
    """Turn {"look": {"backbone": ...}}, as --set settings.look.backbone=... makes it, into {"look.backbone": ...}."""
    if not isinstance(settings, dict):
        return settings
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= {f"{key}.{option}": v for option, v in value.items()} if isinstance(value, dict) else {key: value}
    return flat


class TrainConfig(Strict):
    """The configuration of a training run; every key can be set in the YAML file or by --set KEY=VALUE."""

    removed: ClassVar[dict[str, str]] = {
        "ema": "no published recipe averaged the weights; lower optimiser.rate if scores jump"
    }
    corpus: str
    root: LocalPath
    options: dict[str, Any] = {}  # of the corpus: {"task": "va"}
    train: Literal["train", "dev"] = "train"  # partition to train on
    dev: Literal["dev", "test"] = "dev"  # partition whose score selects the best epoch
    targets: list[Target] = ["valence_arousal"]  # empty: a face network learns by `losses:` alone, without labels
    output: LocalPath = Path("avfer_train")

    model: str = "temporal"  # an affect model over features, a video model, or a backbone of face or voice
    model_options: dict[str, Any] = {}
    backbone: BackboneConfig | None = None  # below an affect model; None for features that are computed once
    weights: LocalPath | None = None  # to start from
    losses: dict[str, Weight] = {}  # further losses of a face network, with their weights: {"partition": 1.0}

    pipeline: str = "aver"  # its stages before the affect model compute the features, or the crops for a backbone
    settings: Annotated[dict[str, Any], BeforeValidator(_flatten_settings)] = {}  # {"look.backbone": "poster_v2"}
    length: Positive = 300  # steps of a sequence; 16 to 80 for end-to-end training
    stride: Positive = 150  # steps between the starts of two sequences
    delay: Amount | Literal["search"] | dict[Literal["valence", "arousal"], Amount] = 0.0  # s, labels move earlier

    size: Side | None = None  # px, of images and crops; None for the size on the network's card
    augment: Literal["none", "light", "strong"] | Augmentation = "light"  # all crops of a sequence alike
    mix: Mixing = Mixing()  # after augmentation
    balance: Literal["none", "sampler", "weights"] = "none"  # rare classes are drawn as often, or weigh more
    decide: Literal["accuracy", "f1_macro", "uar"] = "accuracy"  # score of the expressions of images
    new_head: bool = False  # `weights` are of other classes: layers of another shape start fresh
    start: dict[str, LocalPath] = {}  # files for parts of the network, by the names of its `start_parts`
    combine: Literal["sum", "geometric_mean"] = "sum"  # of the losses of labels and the further ones
    teacher: LocalPath | None = None  # weights of a frozen network that some losses read
    triplets: TripletConfig | None = None
    unlabelled: UnlabelledConfig | None = None

    epochs: Positive = 30
    batch: Batch = 16
    accumulate: Positive = 1  # batches in one step
    clip: Amount = 1.0  # largest norm of a gradient, 0 for no limit
    patience: Positive = 8  # epochs without a better score before training stops
    loss: LossConfig = LossConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    save_every: Positive = 200  # steps between checkpoints; one more at the end of each epoch

    seed: Annotated[Count, Field(ge=0, lt=2**32)] = 0
    device: str = "auto"
    devices: Threads = 1  # processes
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    threads: Threads = 1  # of each process
    workers: Annotated[Count, Field(ge=0, le=256)] = 0  # threads that read images, 0 for as many as `threads`

    @property
    def augmentation(self) -> Augmentation:
        """Return `augment`, a preset by its name or the given values."""
        return AUGMENTATIONS[self.augment] if isinstance(self.augment, str) else self.augment

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        """Raise ValueError for a removed loss, if nothing is to be learned, and for SAM over accumulated batches."""
        if "orthogonality" in self.losses:
            raise ValueError("losses: orthogonality was removed: pf_vit separates orthogonally by itself; leave it out")
        if not self.losses and not any(getattr(self.loss, target) for target in self.targets):
            raise ValueError("targets:, loss: and losses: leave nothing to learn; give a target or a loss a weight")
        if self.optimiser.sam and self.accumulate > 1:
            raise ValueError("optimiser.sam takes two passes over one batch: remove accumulate, or raise batch")
        return self


def read_config(name: str | Path, settings: dict[str, Any] | None = None) -> TrainConfig:
    """Read a training recipe, given as a path or as the name of a bundled one.

    `settings` replace keys of the file: {"optimiser.rate": 3e-4}. Raises ConfigError, with the key that is wrong.
    """
    path = find_configuration("recipe", name)
    document = parse_mapping(read_text(path), str(path), "corpus: and root:")
    for key, value in (settings or {}).items():
        _set(document.content, key.split("."), value)
        document.settings.add(tuple(key.split(".")))
    return make_config(document.content, str(path), document)


def make_config(content: dict[str, Any], source: str, document: YamlDocument | None = None) -> TrainConfig:
    """Return the checked configuration. Raises ConfigError, with the key that is wrong.

    source: names the content in errors; document: states the lines of its keys.
    """
    document = document or YamlDocument(source, content)
    try:
        return TrainConfig.model_validate(content)
    except ValidationError as error:
        problem = first_problem(error, content, TrainConfig)
        raise ConfigError(f"{problem.text} ({document.where(*problem.path)})") from None


def _set(content: dict[str, Any], path: list[str], value: Any) -> None:
    """Set a key of nested mappings. Raises ConfigError if a parent key is not a mapping."""
    for key in path[:-1]:
        inner = content.setdefault(key, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {'.'.join(path)}: '{key}' has no options")
        content = inner
    content[path[-1]] = value
