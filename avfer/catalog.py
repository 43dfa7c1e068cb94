"""Every name that a YAML file, the command line or `avfer.create` accepts, and the class behind it.

A name belongs to a kind. To add a network, a corpus, an output format and so on, write its file and add one line here.
Modules are imported when a name is looked up, never before. `package.module:Name` in place of a name loads a class from
outside avfer, which needs no line.

Kinds:
    stage                 a step of a pipeline (avfer/stage.py describes what a class needs)
    detector              finds faces in frames
    backbone              face crops -> features, and predictions of the network's own heads
    video model           backbone and affect model in one network, trained together
    voice backbone        audio -> features, and predictions of the network's own heads
    voice post-processor  voice features -> voice features
    affect model          features over time -> valence, arousal, expressions, action units
    corpus                reads a data set in its published folder layout (avfer/datasets/corpus.py)
    format                encodes a table on disk (avfer.export.TableFormat)
    exporter              makes a further file from a table (avfer.export.Exporter)
"""

import importlib
import inspect
from typing import Any

from avfer.errors import ConfigError, unknown

NAMES: dict[str, dict[str, str]] = {  # kind -> name -> "module:Class"
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
    "backbone": {
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
    "video model": {
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
    "voice post-processor": {"vggish_pca": "avfer.models.backbones.vggish:VggishPca"},
    "affect model": {
        "gru_lite": "avfer.models.affect.lite:GruLite",
        "linear_lite": "avfer.models.affect.lite:LinearLite",
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
    "loss": {  # losses of face networks beyond the labels: avfer.losses.network_loss.NetworkLoss
        "affinity": "avfer.losses.dan_losses:AffinityLoss",
        "partition": "avfer.losses.dan_losses:PartitionLoss",
        "label_distribution": "avfer.losses.efficientface_losses:LabelDistributionLoss",
        "pdls": "avfer.losses.psr_losses:PdlsLoss",
        "branches": "avfer.losses.psr_losses:BranchVotesLoss",
        "puzzle": "avfer.losses.hmtl_losses:PuzzleLoss",
        "inpainting": "avfer.losses.hmtl_losses:InpaintingLoss",
        "mean_square": "avfer.losses.hmtl_losses:MeanSquareLoss",
        "masked_patches": "avfer.losses.mae_losses:MaskedPatchesLoss",
        "triplet": "avfer.losses.aver_losses:TripletLoss",
        "embedding": "avfer.losses.aver_losses:EmbeddingLoss",
        "softened": "avfer.losses.aver_losses:SoftenedLoss",
        "arcface": "avfer.losses.arcface:ArcFaceLoss",
        "reconstruction": "avfer.losses.pf_vit_losses:ReconstructionLoss",
        "adversarial": "avfer.losses.pf_vit_losses:AdversarialLoss",
        "flatness": "avfer.losses.pf_vit_losses:FlatnessLoss",
        "neutrality": "avfer.losses.pf_vit_losses:NeutralityLoss",
        "identity": "avfer.losses.pf_vit_losses:IdentityLoss",
    },
    "format": {
        "parquet": "avfer.export.formats.parquet:ParquetFormat",
        "csv": "avfer.export.formats.csv:CsvFormat",
        "jsonl": "avfer.export.formats.jsonl:JsonLinesFormat",
    },
    "exporter": {
        "report": "avfer.export.html_report:HtmlReport",
        "overlay": "avfer.export.overlay:VideoOverlay",
    },
}
MODEL_KINDS = ("detector", "backbone", "video model", "voice backbone", "voice post-processor", "affect model")
# Kinds whose names are accepted in place of another kind: aver_voice, for example, predicts affect by itself.
COMPATIBLE_KINDS: dict[str, tuple[str, ...]] = {
    "backbone": ("video model",),
    "voice backbone": ("video model",),
    "affect model": ("video model", "voice backbone"),
}
TIMM = "timm:"  # prefix of a backbone's name: `timm:resnet18` is that network of timm


def find(kind: str, name: str) -> type:
    """Return the class behind a name of a kind, a `timm:NAME` (backbones) or `package.module:Name`.

    Names of compatible kinds are found too: `find("backbone", "av_mt_vgg_rnn")` is a video model.
    Raises ConfigError, with the nearest known name, if the name is unknown or its module cannot be imported.
    """
    if name.startswith(TIMM) and kind == "backbone":
        return _find_timm(name)
    kinds = (kind, *COMPATIBLE_KINDS.get(kind, ()))
    places = {name: place for one in kinds for name, place in NAMES[one].items()}
    place = name if ":" in name else places.get(name)
    if place is None:
        raise ConfigError(unknown(kind, name, places))
    module, _, attribute = place.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        if ":" not in name:
            raise
        raise ConfigError(f"{kind} '{name}' cannot be imported: {error}") from error


def find_class(kind: str, name: str, protocol: type) -> type[Any]:
    """Return the class behind a name, as `find`, after checking that it has every member of a protocol.

    protocol: a class whose methods and annotated attributes are the members. Names from outside avfer are thus checked
    before anything of theirs is called. Raises ConfigError that lists the missing members.
    """
    found = find(kind, name)
    members = [*inspect.get_annotations(protocol), *(member for member in vars(protocol) if not member.startswith("_"))]
    missing = sorted(member for member in members if not hasattr(found, member))
    if inspect.isclass(found) and not missing:
        return found
    reason = f"it lacks {', '.join(missing)}" if inspect.isclass(found) else "it is not a class"
    raise ConfigError(f"'{name}' cannot be used as {kind}: {reason}; see {protocol.__module__}.{protocol.__name__}")


def kind_of(name: str) -> str:
    """Return the kind of a model's name: "backbone" for "aver_lite", and for any name from outside avfer.

    Raises ConfigError, with the nearest known name, if the name is unknown.
    """
    for kind in MODEL_KINDS:
        if name in NAMES[kind]:
            return kind
    if ":" in name:
        return "backbone"
    raise ConfigError(unknown("model", name, (known for kind in MODEL_KINDS for known in NAMES[kind])))


def _find_timm(name: str) -> type:
    """Return a backbone class for a network of timm. Raises ConfigError if timm does not know it."""
    try:
        return importlib.import_module("avfer.models.backbones.timm_any").network(name.removeprefix(TIMM))
    except ValueError as error:
        raise ConfigError(str(error)) from error
