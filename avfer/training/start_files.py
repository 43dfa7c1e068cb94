"""The files of weights that a recipe starts from: `weights:`, `teacher:` and `start:`."""

from pathlib import Path

from avfer.configurations import bundled
from avfer.errors import WeightsError
from avfer.training.training_config import TrainConfig


def check_start_files(config: TrainConfig) -> None:
    """Raise WeightsError if a file does not exist; name the recipe that makes it, and how to start without it."""
    files = {"teacher": (config.teacher, "")} if config.teacher else {}
    if config.weights is not None and str(config.weights) != "builtin" and ":" not in str(config.weights):
        files["weights"] = (config.weights, "--set weights=null")
    files |= {f"start.{name}": (path, "--set start={}") for name, path in config.start.items()}
    for key, (path, without) in files.items():
        if not path.expanduser().is_file():
            ways = [*_recipe(path), *([f"start without it: {without}"] if without else [])]
            raise WeightsError(
                f"{key}: there is no file {path}; {', or '.join(ways) or 'name the weights of a network'}"
            )


def _recipe(path: Path) -> list[str]:
    """Return the command that makes a file such as avfer_train/mae_affectnet/best.safetensors, if a recipe does."""
    name = path.parent.name
    return [f"make it first: avfer train {name} --set root=..."] if name in bundled("recipe") else []
