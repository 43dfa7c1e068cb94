"""avfer: continuous affect from video with sound, one row per real frame."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from avfer.affect_track import AffectTrack
    from avfer.errors import AvferError
    from avfer.evaluation.scoring import evaluate
    from avfer.labelling.label_corpus import label
    from avfer.models.factory import create
    from avfer.pipeline import Pipeline, load
    from avfer.training.train_model import train

__all__ = ["AffectTrack", "AvferError", "Pipeline", "__version__", "create", "evaluate", "label", "load", "train"]
__version__ = "0.1.0"

_HOMES = {
    "AffectTrack": "avfer.affect_track",
    "AvferError": "avfer.errors",
    "Pipeline": "avfer.pipeline",
    "create": "avfer.models.factory",
    "evaluate": "avfer.evaluation.scoring",
    "label": "avfer.labelling.label_corpus",
    "load": "avfer.pipeline",
    "train": "avfer.training.train_model",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import avfer` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'avfer' has no attribute '{name}'")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
