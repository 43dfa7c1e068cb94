"""Where a result comes from, as the files made of it tell."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from avfer import __version__


@dataclass(frozen=True)
class Provenance:
    """The clip and everything that decides the values read from it."""

    clip: str  # the input's file name
    pipeline: str = ""  # YAML, with overrides applied
    pipeline_sha256: str = ""
    weights: Mapping[str, str] = field(default_factory=dict[str, str])  # file name -> sha256
    device: str = ""
    stream: Mapping[str, object] = field(default_factory=dict[str, object])  # the media's facts, with `start_s`
    version: str = __version__

    def as_metadata(self) -> dict[str, str]:
        """Flat text, as Parquet keeps it: the facts of the stream stand beside the rest, `weights` is JSON."""
        told: dict[str, object] = {
            "version": self.version,
            "clip": self.clip,
            "pipeline": self.pipeline,
            "pipeline_sha256": self.pipeline_sha256,
            "weights": dict(self.weights),
            "device": self.device,
        }
        facts = {name: value for name, value in self.stream.items() if name not in told}
        return {name: _text(value) for name, value in (told | facts).items()}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
