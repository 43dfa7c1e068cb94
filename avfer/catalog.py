"""Every name that a YAML file, the command line or `avfer.create` accepts, and the class behind it.

A name belongs to a kind. To add a network, a corpus, an output format and so on, write its file and add one line here.
Modules are imported when a name is looked up, never before. `package.module:Name` in place of a name loads a class from
outside avfer, which needs no line. `find` is the only place that imports such a class: from modules that
avfer.allowed_imports permits, and only if it meets avfer.catalog_requirements. It calls nothing.
Before such a class is called, `check_call` compares the signature of its constructor with the arguments.

Kinds:
    stage                 a step of a pipeline (avfer/stage.py describes what a class needs)
    detector              finds faces in frames
    speech detector       windows of sound -> probability that somebody speaks
    face measurer         face crops -> landmarks, facial movements, head rotation, gaze
    backbone              face crops -> features, and predictions of the network's own heads
    video model           backbone and affect model in one network, trained together
    voice backbone        audio -> features, and predictions of the network's own heads
    voice post-processor  voice features -> voice features
    affect model          features over time -> valence, arousal, expressions, action units
    corpus                reads a data set in its published folder layout (avfer/datasets/corpus.py)
    loss                  loss of a face network beyond the labels (avfer/losses/network_loss.py)
    coding                reads the human codings of clips that a program wrote (avfer.codings.CodingFormat)
    format                encodes a table on disk (avfer.export.TableFormat)
    exporter              makes a further file from a table (avfer.export.Exporter)
"""

import importlib
import inspect
from collections.abc import Iterable
from typing import Any

from avfer.allowed_imports import check_import
from avfer.catalog_requirements import ANY_NETWORK, REQUIREMENTS, Requirement
from avfer.errors import ConfigError, unknown

NAMES: dict[str, dict[str, str]] = {  # kind -> name -> "module:Class"
    "stage": {
        "decode_video": "avfer.stages.decode:DecodeVideo",
        "decode_audio": "avfer.stages.decode_audio:DecodeAudio",
        "detect_faces": "avfer.stages.detect:DetectFaces",
        "track_faces": "avfer.stages.track:TrackFaces",
        "identify_persons": "avfer.stages.identify:IdentifyPersons",
        "align_faces": "avfer.stages.align:AlignFaces",
        "measure_faces": "avfer.stages.measure:MeasureFaces",
        "add_measures": "avfer.stages.add_measures:AddMeasures",
        "embed_faces": "avfer.stages.embed_faces:EmbedFaces",
        "embed_voice": "avfer.stages.embed_voice:EmbedVoice",
        "detect_speech": "avfer.stages.detect_speech:DetectSpeech",
        "join_measures": "avfer.stages.join_measures:JoinMeasures",
        "join_features": "avfer.stages.join:JoinFeatures",
        "sample_voice": "avfer.stages.join:SampleVoice",
        "mask_voice": "avfer.stages.mask_voice:MaskVoice",
        "find_speakers": "avfer.stages.find_speakers:FindSpeakers",
        "predict_affect": "avfer.stages.predict:PredictAffect",
        "smooth_affect": "avfer.stages.smooth:SmoothAffect",
    },
    "detector": {"mtcnn": "avfer.models.detectors.mtcnn:Mtcnn"},
    "speech detector": {"silero_vad": "avfer.models.detectors.silero_vad:SileroVad"},
    "backbone": {
        "aver_lite": "avfer.models.backbones.aver_lite:AverLite",
        "identity_lite": "avfer.models.backbones.identity_lite:IdentityLite",
        "face_lite": "avfer.models.backbones.face_lite:FaceLite",
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
    "face measurer": {
        "face_lite": "avfer.models.backbones.face_lite:FaceLiteMeasurer",
        "face_landmarker": "avfer.models.backbones.face_landmarker:FaceLandmarkers",
    },
    "video model": {
        "affwildnet_vgg_gru": "avfer.models.video.affwildnet:AffWildNetVggGru",
        "affwildnet_resnet_gru": "avfer.models.video.affwildnet:AffWildNetResNetGru",
        "av_mt_vgg_rnn": "avfer.models.video.av_mt_vgg_rnn:AvMtVggRnn",
    },
    "voice backbone": {
        "vggish_lite": "avfer.models.backbones.vggish:VggishLite",
        "voice_lite": "avfer.models.backbones.voice_lite:VoiceLite",
        "prosody": "avfer.models.backbones.prosody:Prosody",
        "prosody_pitch": "avfer.models.backbones.prosody_pitch:ProsodyPitch",
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
        "elan": "avfer.datasets.coded_videos:ElanVideos",
        "boris": "avfer.datasets.coded_videos:BorisVideos",
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
    "coding": {  # of the formats that fit a file, the first is used
        "elan": "avfer.codings.elan:ElanFormat",
        "praat": "avfer.codings.praat:PraatFormat",
        "boris": "avfer.codings.boris:BorisFormat",
        "csv": "avfer.codings.plain_csv:PlainCsvFormat",
    },
    "format": {
        "parquet": "avfer.export.formats.parquet:ParquetFormat",
        "csv": "avfer.export.formats.csv:CsvFormat",
        "jsonl": "avfer.export.formats.jsonl:JsonLinesFormat",
    },
    "exporter": {
        "report": "avfer.export.clip_report.html_report:HtmlReport",
        "overlay": "avfer.export.overlay:VideoOverlay",
        "openface": "avfer.export.exporters.openface_table:OpenFaceTable",
        "fex": "avfer.export.exporters.fex_table:FexTable",
        "elan": "avfer.export.exporters.elan_document:ElanDocument",
        "praat": "avfer.export.exporters.praat_textgrid:PraatTextGrid",
        "boris": "avfer.export.exporters.boris_series:BorisSeries",
        "webvtt": "avfer.export.exporters.webvtt_cues:WebVttCues",
        "bids": "avfer.export.exporters.bids_recording:BidsRecording",
        "csv": "avfer.export.exporters.csv_table:CsvTable",
        "xlsx": "avfer.export.exporters.xlsx_workbook:XlsxWorkbook",
        "spss": "avfer.export.exporters.spss_data:SpssData",
        "segments": "avfer.export.exporters.segment_list:SegmentList",
    },
}
MODEL_KINDS = (
    "detector",
    "speech detector",
    "backbone",
    "video model",
    "voice backbone",
    "voice post-processor",
    "affect model",
)
NETWORK_KINDS = ("backbone", "voice backbone", "affect model")  # each with a base class of its own
# Kinds whose names are accepted in place of another kind: aver_voice, for example, predicts affect by itself.
COMPATIBLE_KINDS: dict[str, tuple[str, ...]] = {
    "backbone": ("video model",),
    "voice backbone": ("video model",),
    "affect model": ("video model", "voice backbone"),
}
TIMM = "timm:"  # prefix of a backbone's name: `timm:resnet18` is that network of timm


def find(kind: str, name: str) -> type[Any]:
    """Return the class behind a name of a kind, a `timm:NAME` (backbones) or `package.module:Name`.

    Names of compatible kinds are found too: `find("backbone", "av_mt_vgg_rnn")` is a video model.
    Raises ConfigError, with the nearest known name, if the name is unknown; and for `package.module:Name` if the module
    may not be imported, cannot be imported, or has no class of this kind. The class is not called.
    """
    if name.startswith(TIMM) and kind == "backbone":
        return _find_timm(name)
    if ":" in name:
        return _find_outside(kind, name)
    return _load(class_path(kind, name))


def class_path(kind: str, name: str) -> str:
    """Return "module:Class" of a name; nothing is imported. Raises ConfigError as `find` for an unknown name."""
    paths = {name: path for one in (kind, *COMPATIBLE_KINDS.get(kind, ())) for name, path in NAMES[one].items()}
    if name not in paths and ":" not in name:
        raise ConfigError(unknown(kind, name, paths, outside=True))
    return paths.get(name, name)


def check_call(kind: str, name: str, found: type[Any], options: Iterable[str] = ()) -> None:
    """Raise ConfigError unless the constructor of a class accepts the arguments of its kind and these options.

    found: the class behind `name`, which is not called. The error states the arguments and the constructor's signature.
    """
    arguments, options = REQUIREMENTS[kind].arguments, tuple(options)
    try:
        inspect.signature(found).bind(*arguments, **dict.fromkeys(options))
    except TypeError as error:
        given = ", ".join((*arguments, *(f"{option}=..." for option in options)))
        raise ConfigError(
            f"{kind} '{name}' cannot be created by {found.__name__}({given}): {error}; its constructor is"
            f" {found.__name__}({_parameters(found)}). Let it accept these arguments, and give all others a default"
        ) from None


def _parameters(found: type[Any]) -> str:
    """Return the parameters of a constructor without their types: "root, split='dev'"."""
    parameters = inspect.signature(found).parameters.values()
    return ", ".join(str(parameter.replace(annotation=inspect.Parameter.empty)) for parameter in parameters)


def is_outside(name: str) -> bool:
    """Return whether a name is a `package.module:Name` and no name of this catalog or of timm."""
    return ":" in name and not name.startswith(TIMM)


def _load(path: str) -> Any:
    """Import "module:Name" and return the object."""
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _find_outside(kind: str, name: str) -> type[Any]:
    """Return the class behind a `package.module:Name`. Raises ConfigError as `find`."""
    try:
        check_import(name.partition(":")[0])
    except ConfigError as error:
        raise ConfigError(f"{kind} '{name}': {error}") from None
    try:
        found = _load(name)
    except (Exception, SystemExit) as error:  # the module is the user's: it may raise anything
        detail = str(error) if isinstance(error, ImportError | AttributeError) else f"{type(error).__name__}: {error}"
        raise ConfigError(f"{kind} '{name}' cannot be imported: {detail}") from error
    if problem := _problem(REQUIREMENTS[kind], found):
        raise ConfigError(f"'{name}' cannot be used as {kind}: it must be {problem}")
    return found


def _problem(requirement: Requirement, found: Any) -> str:
    """Return what an object must be, and what was found in its place; "" if it meets the requirement."""
    base, protocol = requirement.base, requirement.protocol
    wanted = f"a subclass of {base.replace(':', '.')}" if base else requirement.text or "a class"
    wanted += f" with the members of {protocol.replace(':', '.')}" if protocol else ""
    if not inspect.isclass(found):
        return f"{wanted}, not {'a function' if callable(found) else 'a value'} of type {type(found).__name__}"
    if base and _load(base) not in found.__mro__:
        return f"{wanted}, which the class {found.__name__} is not"
    if inspect.isabstract(found):
        missing = sorted(vars(found)["__abstractmethods__"])
        return f"{wanted} with all its methods; the class {found.__name__} lacks {', '.join(missing)}"
    if protocol and (missing := _missing_members(found, _load(protocol))):
        return f"{wanted}; the class {found.__name__} lacks {', '.join(missing)}"
    if requirement.predicate and not _load(requirement.predicate)(found):
        return f"{wanted}, which the class {found.__name__} is not"
    return ""


def _missing_members(found: type, protocol: type) -> list[str]:
    """Return the methods and annotated attributes of a protocol that a class lacks, sorted."""
    members = [*inspect.get_annotations(protocol), *(member for member in vars(protocol) if not member.startswith("_"))]
    return sorted(member for member in members if not hasattr(found, member))


def kind_of(name: str) -> str:
    """Return the kind of a model's name, such as "backbone"; a class from outside is imported. Raises as `find`."""
    if is_outside(name):
        bases = find(ANY_NETWORK, name).__mro__
        kinds = [kind for kind in NETWORK_KINDS if _load(REQUIREMENTS[kind].base) in bases]
        return "video model" if {"backbone", "affect model"} <= set(kinds) else next(iter(kinds), "backbone")
    known = {model: kind for kind in MODEL_KINDS for model in NAMES[kind]}
    if name in known or name.startswith(TIMM):
        return known.get(name, "backbone")
    raise ConfigError(unknown("model", name, known, outside=True))


def _find_timm(name: str) -> type:
    """Return a backbone class for a network of timm. Raises ConfigError if timm does not know it."""
    try:
        return importlib.import_module("avfer.models.backbones.timm_any").network(name.removeprefix(TIMM))
    except ValueError as error:
        raise ConfigError(str(error)) from error
