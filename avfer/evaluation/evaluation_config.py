"""The configuration of an evaluation: a corpus, a partition of it, and where the predictions come from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from avfer.catalog import class_path, kind_of
from avfer.configurations import find_configuration, read_text
from avfer.datasets.example import Partition
from avfer.errors import ConfigError, unknown
from avfer.local_paths import LocalPath, local_path
from avfer.metrics.abaw import FIRST_YEAR, LAST_YEAR
from avfer.metrics.action_units import OCCURRENCE_THRESHOLD
from avfer.metrics.ccc import Convention
from avfer.option_types import Count, Seconds, Share, first_problem
from avfer.yaml_reader import YamlDocument, parse_mapping

Headline = Literal["joined", "recordings"]

SOURCES = ("pipeline", "model", "predictions")
SOURCE_OF = {"settings": "pipeline", "weights": "model"}  # key -> the only source of predictions that reads it


class EvalConfig(BaseModel):
    """All keys of an evaluation. Each can be given in the YAML file, and corpus, root and partition must be.

    Exactly one of pipeline, model and predictions says where the predictions come from.
    """

    model_config = ConfigDict(extra="forbid")

    corpus: str  # name in the catalog, or package.module:Name
    root: LocalPath  # folder of the corpus
    partition: Partition
    options: dict[str, Any] = {}  # of the corpus: {"gold": "mean"}
    pipeline: str | None = None  # YAML file or bundled name of a pipeline that labels the recordings first
    settings: dict[str, Any] = {}  # of the pipeline: {"look.backbone": "poster_v2"}
    model: str | None = None  # face network of the catalog, for corpora of pictures
    weights: str = "builtin"  # of the model: builtin, a path or a URL
    predictions: LocalPath | None = None  # folder of tables, one for each recording
    # Script to reproduce: population CCC, mean of the recordings, without the last step of each.
    protocol: Literal["avec2018-ges"] | None = None
    convention: Convention = "population"  # of the CCC
    headline: Headline = "joined"  # which of the two numbers is quoted
    delay: dict[Literal["valence", "arousal"], Seconds] = {}  # s, of the labels in training; undone on predictions
    smoothing: Annotated[Count, Field(ge=0, le=100_000)] = 0  # steps on each side of a moving mean, 0 for none
    post_processing: bool = False  # the AVEC chain, fitted on train and on dev
    # An action unit is predicted where its value is above it. None: 0.5 for probabilities, an error for activations.
    threshold: Share | None = None
    absent: Literal["refuse", "neutral"] = "refuse"  # what to do with recordings without any prediction
    # Year of the ABAW challenge for the score P; None: the last with such a class list.
    challenge: Annotated[Count, Field(ge=FIRST_YEAR, le=LAST_YEAR)] | None = None
    draws: Annotated[Count, Field(ge=1, le=100_000)] = 1000  # of the bootstrap over subjects or recordings
    output: Annotated[LocalPath, AfterValidator(local_path)] = Path("avfer_eval")  # folder of the report
    device: str = "auto"

    @property
    def ccc(self) -> Convention:
        """The convention of the CCC in use; a protocol implies population."""
        return "population" if self.protocol else self.convention

    @property
    def quoted(self) -> Headline:
        """The number in the headline; a protocol implies the mean of the recordings."""
        return "recordings" if self.protocol else self.headline

    @property
    def unit_threshold(self) -> float:
        """The value above which an action unit is predicted, in [0, 1]."""
        return OCCURRENCE_THRESHOLD if self.threshold is None else self.threshold

    @property
    def fits(self) -> bool:
        """Whether tallies must keep the whole series of every recording."""
        return self.post_processing or self.smoothing > 0

    @property
    def sources(self) -> list[str]:
        """Names of the given sources of predictions."""
        given = {"pipeline": self.pipeline, "model": self.model, "predictions": self.predictions}
        return [name for name in SOURCES if given[name] is not None]


def read_config(name: str | Path, changes: Mapping[str, Any] | None = None) -> EvalConfig:
    """Read an evaluation protocol, given as a path or as the name of a bundled one, with `changes` of some keys.

    A source of predictions among the changes replaces the one in the file. Raises ConfigError, with the key that is
    wrong.
    """
    path = find_configuration("evaluation", name)
    document = parse_mapping(read_text(path), str(path), "corpus:, root: and partition:")
    return make_config(_merge(document.content, changes or {}), str(path), document)


def change_config(config: EvalConfig, changes: Mapping[str, Any]) -> EvalConfig:
    """Return a configuration with other values for some keys. Raises ConfigError as `make_config`."""
    return make_config(_merge(config.model_dump(exclude_unset=True), changes), "evaluate")


def make_config(content: Mapping[str, Any], where: str, document: YamlDocument | None = None) -> EvalConfig:
    """Check the keys and values of a configuration.

    where: file or command that error messages name; document: states the line of a key.

    Raises ConfigError for an unknown key, a missing or invalid value, unless exactly one source of predictions is
    given, and for a key that this source does not read.
    """
    document = document or YamlDocument(where, content)
    for key in content:
        if key not in EvalConfig.model_fields:
            raise ConfigError(f"{unknown('key', str(key), EvalConfig.model_fields)} ({document.where(str(key))})")
    try:
        config = EvalConfig.model_validate(content)
    except ValidationError as error:
        problem = first_problem(error, content, EvalConfig)
        raise ConfigError(f"{problem.text} ({document.where(*problem.path)})") from None
    if len(config.sources) != 1:
        given = " and ".join(config.sources) or "none"
        raise ConfigError(f"{where}: give exactly one of pipeline, model and predictions, not {given}")
    for key, source in SOURCE_OF.items():
        if source not in config.sources and getattr(config, key) != EvalConfig.model_fields[key].default:
            problem = f"goes with {source} only, but {config.sources[0]} is given; remove it"
            raise ConfigError(f"{key}: {problem} ({document.where(key)})")
    return config


def check_names(config: EvalConfig) -> None:
    """Raise ConfigError, with the nearest known name, for an unknown corpus, pipeline or model; nothing is loaded."""
    class_path("corpus", config.corpus)
    if config.pipeline is not None:
        find_configuration("pipeline", config.pipeline)
    if config.model is not None:
        kind_of(config.model)


def threshold_origin(threshold: float) -> str:
    """Return what is known about how the threshold of action units was chosen."""
    return "not tuned" if threshold == OCCURRENCE_THRESHOLD else f"chosen by the user, not {OCCURRENCE_THRESHOLD:g}"


def _merge(content: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content with changes, mappings merged.

    A source among the changes replaces the one in the content, with the keys that only the latter reads.
    """
    sources = [name for name in SOURCES if changes.get(name) is not None]
    merged = {
        key: value
        for key, value in content.items()
        if not sources or (key not in SOURCES and SOURCE_OF.get(key, sources[0]) in sources)
    }
    for key, value in changes.items():
        both = isinstance(merged.get(key), dict) and isinstance(value, dict)
        merged[key] = merged[key] | value if both else value
    return merged
