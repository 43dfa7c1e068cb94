"""What determines the values predicted from a clip, for the metadata of its table."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from avfer import __version__


@dataclass(frozen=True)
class Provenance:
    """The clip and everything that determines the values predicted from it; written into the table's metadata."""

    clip: str  # file name of the input
    source: str = ""  # path of the input relative to what the user named, "s1/talk.mp4"; empty if it is `clip`
    input: Mapping[str, object] = field(default_factory=dict[str, object])  # its size and time, as of input_state
    pipeline_name: str = ""  # "aver"
    pipeline: str = ""  # YAML, with overrides applied
    pipeline_sha256: str = ""  # hexadecimal, of the YAML
    parsed_pipeline_sha256: str = ""  # hexadecimal, of the parsed pipeline with all defaults
    weights: Mapping[str, str] = field(default_factory=dict[str, str])  # file name -> sha256
    device: str = ""  # "cpu", "cuda", ...
    engines: Mapping[str, str] = field(default_factory=dict[str, str])  # stage -> "torch 2.11.0", "onnxruntime 1.32.0"
    stream: Mapping[str, object] = field(default_factory=dict[str, object])  # facts of the media, with `start_s`
    numbers_only: bool = False  # no file made from the clip may show or link its pictures
    version: str = __version__  # of avfer

    def as_metadata(self) -> dict[str, str]:
        """Return flat text for Parquet metadata: `weights` as JSON, each fact of the stream under its own key."""
        metadata: dict[str, object] = {
            "version": self.version,
            "clip": self.clip,
            "input": dict(self.input),
            "pipeline_name": self.pipeline_name,
            "pipeline": self.pipeline,
            "pipeline_sha256": self.pipeline_sha256,
            "parsed_pipeline_sha256": self.parsed_pipeline_sha256,
            "weights": dict(self.weights),
            "device": self.device,
            "engines": dict(self.engines),
        }
        metadata |= {"numbers_only": True} if self.numbers_only else {}
        metadata |= {name: value for name, value in self.stream.items() if name not in metadata}
        return {name: _text(value) for name, value in metadata.items()}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
