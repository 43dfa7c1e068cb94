"""What is evaluated: a corpus, a partition of it, and where the predictions come from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from avfer.configurations import find_configuration, parse_mapping, read_text
from avfer.datasets.example import Partition
from avfer.errors import ConfigError, unknown
from avfer.metrics.ccc import Convention

Headline = Literal["joined", "recordings"]

SOURCES = ("pipeline", "model", "predictions")


class EvalConfig(BaseModel):
    """One experiment of evaluation; every field may stand in the YAML."""

    model_config = ConfigDict(extra="forbid")

    corpus: str
    root: Path
    partition: Partition
    options: dict[str, Any] = {}  # of the corpus: {"gold": "mean"}
    pipeline: str | None = None  # a YAML or a bundled one, run on the recordings first
    settings: dict[str, Any] = {}  # of the pipeline: {"look.backbone": "poster_v2"}
    model: str | None = None  # a network of the catalog, for corpora of pictures
    weights: str = "builtin"
    predictions: Path | None = None  # a folder of tables, one a recording
    protocol: Literal["avec2018-ges"] | None = (
        None  # a script to follow: population, recordings, the last step left out
    )
    convention: Convention = "population"
    headline: Headline = "joined"  # which of the two numbers is quoted
    delay: dict[Literal["valence", "arousal"], float] = {}  # s, of the labels in training; undone on predictions
    smoothing: int = Field(0, ge=0)  # steps on each side of a moving mean, 0 for none
    post_processing: bool = False  # the AVEC chain, fitted on train and on dev
    threshold: float = 0.5  # above it an action unit occurs
    absent: Literal["refuse", "neutral"] = "refuse"  # of recordings without any prediction
    challenge: int | None = None  # year of the ABAW whose score P is told; None: as the classes tell
    draws: int = Field(1000, ge=1)  # of the bootstrap over subjects or recordings
    output: Path = Path("avfer_eval")
    device: str = "auto"

    @property
    def ccc(self) -> Convention:
        """The convention that holds."""
        return "population" if self.protocol else self.convention

    @property
    def quoted(self) -> Headline:
        """Joined, or the mean of the recordings."""
        return "recordings" if self.protocol else self.headline

    @property
    def fits(self) -> bool:
        """Whether whole series are needed."""
        return self.post_processing or self.smoothing > 0


def read_config(name: str | Path, changes: Mapping[str, Any] | None = None) -> EvalConfig:
    """Read an evaluation protocol, given as a path or as the name of a bundled one, with `changes` of some keys.

    A source of predictions among the changes replaces the one in the file. Raises ConfigError, with the key that is
    wrong.
    """
    path = find_configuration("evaluation", name)
    content = parse_mapping(read_text(path), path, "corpus:, root: and partition:")
    return make_config(_merged(content, changes or {}), str(path))


def changed(config: EvalConfig, changes: Mapping[str, Any]) -> EvalConfig:
    """The configuration with other values for some keys."""
    return make_config(_merged(config.model_dump(exclude_unset=True), changes), "evaluate")


def make_config(content: dict[str, Any], where: str) -> EvalConfig:
    """Checked values; `where` is what an error calls them."""
    for key in content:
        if key not in EvalConfig.model_fields:
            raise ConfigError(f"{where}: {unknown('key', str(key), EvalConfig.model_fields)}")
    try:
        config = EvalConfig.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        told = "is not given" if first["type"] == "missing" else f"{first['msg']}, not {first['input']!r}"
        raise ConfigError(f"{where}: {key}: {told}") from None
    sources = [name for name in SOURCES if getattr(config, name) is not None]
    if len(sources) != 1:
        told = " and ".join(sources) or "none"
        raise ConfigError(f"{where}: name one of pipeline, model and predictions, not {told}")
    return config


def _merged(content: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    named = any(changes.get(name) is not None for name in SOURCES)
    kept = {key: value for key, value in content.items() if not (named and key in SOURCES)}
    for key, value in changes.items():
        both = isinstance(kept.get(key), dict) and isinstance(value, dict)
        kept[key] = kept[key] | value if both else value
    return kept
