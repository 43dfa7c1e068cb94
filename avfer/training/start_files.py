"""The files of weights that a recipe starts from: `weights:`, `teacher:` and `start:`."""

from pathlib import Path

from avfer.configurations import bundled
from avfer.errors import WeightsError
from avfer.local_paths import local_path
from avfer.training.training_config import TrainConfig


def check_start_files(config: TrainConfig) -> None:
    """Raise WeightsError if the file of `weights:` or `teacher:` does not exist; see `check_file`."""
    if config.teacher is not None:
        check_file("teacher", config.teacher)
    weights = str(config.weights)
    if config.weights is not None and weights != "builtin" and ":" not in weights:
        check_file("weights", config.weights, "--set weights=null")


def check_file(key: str, path: Path, without: str = "") -> None:
    """Raise WeightsError if a file does not exist; name the recipe that makes it, and how to train without it.

    key: of the recipe; without: option of `avfer train` that removes the key, "" if it is needed.
    """
    if not local_path(path).is_file():
        recipe = path.parent.name  # of avfer_train/mae_affectnet/best.safetensors
        ways = [f"make it first: avfer train {recipe} --set root=..."] if recipe in bundled("recipe") else []
        ways += [f"train without it: {without}"] if without else []
        raise WeightsError(f"{key}: there is no file {path}; {', or '.join(ways) or 'name the weights of a network'}")
