"""All names: what a YAML, the command line or `avfer.create` may ask for, and where its code is.

Nothing is imported before it is asked for. `package.module:Name` in place of a name reaches code outside avfer.
"""

import importlib

from avfer.errors import ConfigError, unknown

NAMES: dict[str, dict[str, str]] = {
    "stage": {
        "decode_video": "avfer.stages.decode:DecodeVideo",
        "decode_audio": "avfer.stages.decode:DecodeAudio",
        "detect_faces": "avfer.stages.detect:DetectFaces",
        "track_faces": "avfer.stages.track:TrackFaces",
        "align_faces": "avfer.stages.align:AlignFaces",
        "embed_faces": "avfer.stages.embed_faces:EmbedFaces",
        "embed_voice": "avfer.stages.embed_voice:EmbedVoice",
        "join_features": "avfer.stages.join:JoinFeatures",
        "sample_voice": "avfer.stages.join:SampleVoice",
        "predict_affect": "avfer.stages.predict:PredictAffect",
        "smooth_affect": "avfer.stages.smooth:SmoothAffect",
    },
    "detector": {"mtcnn": "avfer.models.detectors.mtcnn:Mtcnn"},
    "backbone": {"aver_lite": "avfer.models.backbones.aver_lite:AverLite"},
    "voice backbone": {"vggish_lite": "avfer.models.backbones.vggish_lite:VggishLite"},
    "affect model": {
        "gru_lite": "avfer.models.affect.gru:GruLite",
        "linear_lite": "avfer.models.affect.linear:LinearLite",
    },
}
MODELS = ("detector", "backbone", "voice backbone", "affect model")  # the kinds that own weights


def find(kind: str, name: str) -> type:
    """The class behind a name. An unknown one is a ConfigError with the nearest name."""
    place = name if ":" in name else NAMES[kind].get(name)
    if place is None:
        raise ConfigError(unknown(kind, name, NAMES[kind]))
    module, _, attribute = place.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        if ":" not in name:
            raise
        raise ConfigError(f"{kind} '{name}' cannot be imported: {error}") from error


def kind_of(name: str) -> str:
    """The kind of a model's name: 'backbone' for 'aver_lite'."""
    for kind in MODELS:
        if name in NAMES[kind]:
            return kind
    raise ConfigError(unknown("model", name, (n for kind in MODELS for n in NAMES[kind])))
