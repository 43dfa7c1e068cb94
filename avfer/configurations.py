"""Configuration files: found by their path or by the name of a bundled one, and read as YAML.

Three kinds come with avfer: pipelines, recipes of training, and protocols of evaluation. In a checkout they lie in
`pipelines/`, `configs/train/` and `configs/eval/`; the wheel carries the same folders inside the package.
"""

from pathlib import Path
from typing import Any, Literal

import yaml

from avfer.errors import ConfigError, unknown

Kind = Literal["pipeline", "recipe", "evaluation"]

PACKAGE = Path(__file__).parent
HOME = PACKAGE if (PACKAGE / "pipelines").is_dir() else PACKAGE.parent
FOLDERS: dict[Kind, Path] = {
    "pipeline": HOME / "pipelines",
    "recipe": HOME / "configs" / "train",
    "evaluation": HOME / "configs" / "eval",
}


def bundled(kind: Kind) -> list[str]:
    """Return the names of the bundled configurations of a kind, sorted."""
    return sorted(path.stem for path in FOLDERS[kind].glob("*.yaml"))


def find_configuration(kind: Kind, name: str | Path) -> Path:
    """Return the file of a configuration, given as a path or as the name of a bundled one.

    Raises ConfigError, with the nearest bundled name, if there is no such file.
    """
    path = Path(name)
    if path.suffix in {".yaml", ".yml"} or path.exists():
        if not path.is_file():
            raise ConfigError(f"no {kind} at {path}; bundled ones are used by name: {', '.join(bundled(kind))}")
        return path
    if str(name) not in bundled(kind):
        raise ConfigError(unknown(kind, str(name), bundled(kind)))
    return FOLDERS[kind] / f"{name}.yaml"


def read_text(path: Path) -> str:
    """Return the text of a configuration file. Raises ConfigError if it cannot be read or is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def parse_mapping(text: str, path: str | Path, expected: str) -> dict[str, Any]:
    """Parse YAML whose top level is a mapping.

    `path` names the file in errors, `expected` says what the mapping should contain ("stages: and output:"). Raises
    ConfigError if the text is not YAML or its top level is not a mapping.
    """
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must be a mapping with {expected}, got {type(content).__name__}")
    return content
