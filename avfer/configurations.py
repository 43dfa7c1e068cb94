"""Configuration files: found by their path or by the name of a bundled one, and read as text.

avfer.yaml_reader parses the text.

Three kinds come with avfer: pipelines, recipes of training, and protocols of evaluation. In a checkout they lie in
`pipelines/`, `configs/train/` and `configs/eval/`; the wheel carries the same folders inside the package.
"""

from pathlib import Path
from typing import Literal

from avfer.errors import ConfigError, unknown
from avfer.local_paths import check_path
from avfer.yaml_reader import MAX_BYTES

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
    path = check_path(Path(name))
    if path.suffix in {".yaml", ".yml"} or path.is_file():  # a folder that is called "voice" hides no pipeline
        if not path.is_file():
            raise ConfigError(f"no {kind} at {path}; bundled ones are used by name: {', '.join(bundled(kind))}")
        return path
    if str(name) not in bundled(kind):
        raise ConfigError(unknown(kind, str(name), bundled(kind)))
    return FOLDERS[kind] / f"{name}.yaml"


def read_text(path: Path) -> str:
    """Return the text of a configuration. Raises ConfigError if it cannot be read, is not UTF-8, or is too long."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(
                f"{path} has {path.stat().st_size:,} bytes; a configuration is YAML of at most {MAX_BYTES:,}"
            )
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; check the path and its permissions") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} is not UTF-8 text (byte {error.start}); a configuration is YAML, saved as UTF-8"
        ) from error
