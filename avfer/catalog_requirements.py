"""What a class from outside avfer must be, to be used under each kind of avfer.catalog."""

from dataclasses import dataclass

ANY_NETWORK = "network"  # kind of `find` for a class from outside avfer that is any of MODEL_KINDS


@dataclass(frozen=True)
class Requirement:
    """What a class from outside avfer must be; the three parts are "module:Name", and empty for no such condition."""

    base: str = ""  # class that it is derived from
    protocol: str = ""  # protocol whose methods and annotated attributes it has
    predicate: str = ""  # function that returns True for it
    text: str = ""  # what the predicate requires, for messages
    arguments: tuple[str, ...] = ()  # that its constructor is called with, in addition to the options


REQUIREMENTS: dict[str, Requirement] = {
    "stage": Requirement(
        predicate="avfer.stage:is_stage",
        text="a dataclass with __call__, or with start and step, that annotates its inputs and its output",
    ),
    "detector": Requirement("torch.nn:Module", "avfer.detector:Detector"),
    "speech detector": Requirement("torch.nn:Module", "avfer.speech_detector:SpeechDetector"),
    "backbone": Requirement("avfer.models.network:FaceNetwork"),
    "face measurer": Requirement("avfer.models.face_measurer:FaceMeasurer"),
    "video model": Requirement("avfer.models.network:Network"),
    "voice backbone": Requirement("avfer.models.network:VoiceNetwork"),
    "voice post-processor": Requirement("torch.nn:Module"),
    "affect model": Requirement("avfer.models.network:AffectModel"),
    ANY_NETWORK: Requirement("avfer.models.network:Network"),
    "corpus": Requirement("avfer.datasets.example:Corpus", arguments=("root",)),
    "loss": Requirement("avfer.losses.network_loss:NetworkLoss", arguments=("context",)),
    "coding": Requirement(protocol="avfer.codings:CodingFormat"),
    "format": Requirement(protocol="avfer.export:TableFormat", arguments=("file", "schema")),
    "exporter": Requirement(protocol="avfer.export:Exporter"),
}
