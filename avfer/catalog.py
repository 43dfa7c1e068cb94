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
    "backbone": {  # crops of faces -> features, and what heads of their own they have
        "aver_lite": "avfer.models.backbones.aver_lite:AverLite",
        "poster": "avfer.models.backbones.poster:Poster",
        "poster_v2": "avfer.models.backbones.poster_v2:PosterV2",
        "dan": "avfer.models.backbones.dan:Dan",
        "efficientface": "avfer.models.backbones.efficientface:EfficientFace",
        "efficientface_ldg": "avfer.models.backbones.efficientface_ldg:EfficientFaceLdg",
        "psr": "avfer.models.backbones.psr:Psr",
        "pf_vit": "avfer.models.backbones.pf_vit:PfVit",
        "mae": "avfer.models.backbones.mae:Mae",
        "hmtl": "avfer.models.backbones.hmtl:Hmtl",
        "aver_teacher": "avfer.models.backbones.aver_teacher:AverTeacher",
        "aver_student": "avfer.models.backbones.aver_student:AverStudent",
        "affwildnet_vgg": "avfer.models.backbones.affwildnet_vgg:AffWildNetVgg",
        "mt_vgg": "avfer.models.backbones.mt_vgg:MtVgg",
        "mt_arcvgg": "avfer.models.backbones.mt_arcvgg:MtArcVgg",
    },
    "video model": {  # a backbone and an affect model in one, trained together
        "affwildnet_vgg_gru": "avfer.models.video.affwildnet:AffWildNetVggGru",
        "affwildnet_resnet_gru": "avfer.models.video.affwildnet:AffWildNetResNetGru",
        "av_mt_vgg_rnn": "avfer.models.video.av_mt_vgg_rnn:AvMtVggRnn",
    },
    "voice backbone": {
        "vggish_lite": "avfer.models.backbones.vggish_lite:VggishLite",
        "prosody": "avfer.models.backbones.prosody:Prosody",
        "vggish": "avfer.models.backbones.vggish:Vggish",
        "aver_voice": "avfer.models.backbones.aver_voice:AverVoice",
    },
    "voice post-processor": {"vggish_pca": "avfer.models.backbones.vggish_pca:VggishPca"},
    "affect model": {
        "gru_lite": "avfer.models.affect.gru:GruLite",
        "linear_lite": "avfer.models.affect.linear:LinearLite",
        "temporal": "avfer.models.affect.temporal:Temporal",
        "aver": "avfer.models.affect.aver:Aver",
    },
    "corpus": {
        "recola": "avfer.datasets.recola:Recola",
        "sewa": "avfer.datasets.sewa:Sewa",
        "aff_wild2": "avfer.datasets.aff_wild2:AffWild2",
        "affectnet": "avfer.datasets.affectnet:AffectNet",
        "raf_db": "avfer.datasets.raf_db:RafDb",
        "ferplus": "avfer.datasets.ferplus:FerPlus",
        "sfew": "avfer.datasets.sfew:Sfew",
        "afew": "avfer.datasets.afew:Afew",
        "caer_s": "avfer.datasets.caer_s:CaerS",
        "fec": "avfer.datasets.fec:Fec",
        "ravdess": "avfer.datasets.ravdess:Ravdess",
        "crema_d": "avfer.datasets.crema_d:CremaD",
        "emo_db": "avfer.datasets.emo_db:EmoDb",
        "table": "avfer.datasets.table:Table",
    },
}
MODELS = tuple(kind for kind in NAMES if kind not in {"stage", "corpus"})  # the kinds that own weights
ALSO: dict[str, tuple[str, ...]] = {  # kinds that can take the place: aver_voice tells affect of what it hears
    "backbone": ("video model",),
    "voice backbone": ("video model",),
    "affect model": ("video model", "voice backbone"),
}
TIMM = "timm:"  # and a name of timm: any of its networks as a backbone


def find(kind: str, name: str) -> type:
    """The class behind a name. An unknown one is a ConfigError with the nearest name."""
    if name.startswith(TIMM) and kind == "backbone":
        return _timm(name)
    names = {name: place for also in (kind, *ALSO.get(kind, ())) for name, place in NAMES[also].items()}
    place = name if ":" in name else names.get(name)
    if place is None:
        raise ConfigError(unknown(kind, name, names))
    module, _, attribute = place.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        if ":" not in name:
            raise
        raise ConfigError(f"{kind} '{name}' cannot be imported: {error}") from error


def kind_of(name: str) -> str:
    """The kind of a model's name: 'backbone' for 'aver_lite'; code outside avfer is taken for a backbone."""
    for kind in MODELS:
        if name in NAMES[kind]:
            return kind
    if ":" in name:
        return "backbone"
    raise ConfigError(unknown("model", name, (n for kind in MODELS for n in NAMES[kind])))


def _timm(name: str) -> type:
    try:
        return importlib.import_module("avfer.models.backbones.timm_any").network(name.removeprefix(TIMM))
    except ValueError as error:
        raise ConfigError(str(error)) from error
