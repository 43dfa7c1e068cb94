"""The texts of a report that a paper needs: what is measured, methods, licences and BibTeX."""

import json
from collections.abc import Mapping
from contextlib import suppress

from avfer.baseline import LOW_QUANTILE, METADATA_KEY
from avfer.errors import ConfigError
from avfer.export.weight_facts import embedded_cards_of, has_no_pictures, is_silent, mapped_note
from avfer.models.card import Card
from avfer.pipeline_config import StageSpec, parse_pipeline

MEASURED = (
    "Action units are measured movements of the face in [0, 1] (activation), not FACS intensities. Head pose and gaze"
    " are measured relative to the camera."
)
EXPRESSIONS = "Expressions are what a face (or a voice) shows to observers, not what the person feels."
UNKNOWN = (
    "The table does not state embedded weights: what its numbers mean, and under which licence, is in the cards of"
    " the weights that were used."
)
STAGES = {  # stage -> what a methods section says about it
    "detect_faces": "faces were detected",
    "track_faces": "linked to tracks over time",
    "identify_persons": "grouped into persons by their appearance",
    "embed_voice": "the sound was described in windows over time",
    "smooth_affect": "predictions were smoothed over time",
}
STILL_STAGES = {"detect_faces"}  # those that a photograph passes without time or sound
SOUND_STAGES = {"embed_voice"}  # those that say nothing about a clip without sound
FACE_STAGES = {"detect_faces", "track_faces", "identify_persons"}  # those that say nothing about sound alone
ENTRIES = {  # of BibTeX; the key of the entry -> its text
    "zhang2016mtcnn": """@article{zhang2016mtcnn,
  author = {Zhang, Kaipeng and Zhang, Zhanpeng and Li, Zhifeng and Qiao, Yu},
  title = {Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks},
  journal = {IEEE Signal Processing Letters}, volume = {23}, number = {10}, pages = {1499--1503}, year = {2016},
  doi = {10.1109/LSP.2016.2603342}
}""",
    "barsoum2016ferplus": """@inproceedings{barsoum2016ferplus,
  author = {Barsoum, Emad and Zhang, Cha and Canton Ferrer, Cristian and Zhang, Zhengyou},
  title = {Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label Distribution},
  booktitle = {ACM International Conference on Multimodal Interaction (ICMI)}, pages = {279--283}, year = {2016},
  doi = {10.1145/2993148.2993165}
}""",
    "russell1977evidence": """@article{russell1977evidence,
  author = {Russell, James A. and Mehrabian, Albert},
  title = {Evidence for a Three-Factor Theory of Emotions},
  journal = {Journal of Research in Personality}, volume = {11}, number = {3}, pages = {273--294}, year = {1977},
  doi = {10.1016/0092-6566(77)90037-X}
}""",
    "livingstone2018ravdess": """@article{livingstone2018ravdess,
  author = {Livingstone, Steven R. and Russo, Frank A.},
  title = {The {Ryerson} Audio-Visual Database of Emotional Speech and Song ({RAVDESS})},
  journal = {PLoS ONE}, volume = {13}, number = {5}, pages = {e0196391}, year = {2018},
  doi = {10.1371/journal.pone.0196391}
}""",
    "hershey2017cnn": """@inproceedings{hershey2017cnn,
  author = {Hershey, Shawn and others},
  title = {{CNN} Architectures for Large-Scale Audio Classification},
  booktitle = {IEEE International Conference on Acoustics, Speech and Signal Processing (ICASSP)},
  pages = {131--135}, year = {2017}, doi = {10.1109/ICASSP.2017.7952132}
}""",
    "buhl2023emogator": """@misc{buhl2023emogator,
  author = {Buhl, Fred W.},
  title = {{EmoGator}: A New Open Source Vocal Burst Dataset}, year = {2023}, eprint = {2301.00508},
  archivePrefix = {arXiv}
}""",
    "eyben2016gemaps": """@article{eyben2016gemaps,
  author = {Eyben, Florian and others},
  title = {The {Geneva} Minimalistic Acoustic Parameter Set ({GeMAPS}) for Voice Research and Affective Computing},
  journal = {IEEE Transactions on Affective Computing}, volume = {7}, number = {2}, pages = {190--202}, year = {2016}
}""",
    "lugaresi2019mediapipe": """@misc{lugaresi2019mediapipe,
  author = {Lugaresi, Camillo and others},
  title = {{MediaPipe}: A Framework for Building Perception Pipelines}, year = {2019}, eprint = {1906.08172},
  archivePrefix = {arXiv}
}""",
}
CITED = {  # embedded weights -> keys of ENTRIES
    "aver_lite": ["barsoum2016ferplus"],
    "linear_lite": ["barsoum2016ferplus", "russell1977evidence"],
    "gru_lite": ["barsoum2016ferplus", "russell1977evidence", "buhl2023emogator"],
    "gru_lite.research": ["barsoum2016ferplus", "russell1977evidence", "livingstone2018ravdess"],
    "voice_lite": ["buhl2023emogator", "eyben2016gemaps"],
    "voice_lite.research": ["buhl2023emogator", "eyben2016gemaps", "livingstone2018ravdess", "hershey2017cnn"],
    "vggish_lite": ["livingstone2018ravdess", "hershey2017cnn"],
    "face_lite": ["lugaresi2019mediapipe"],
}


def caveats(metadata: Mapping[str, str]) -> list[str]:
    """Return what a reader must know about the numbers of a table: what is measured and what is mapped."""
    pictureless = has_no_pictures(metadata)
    mapped = mapped_note(metadata, is_silent(metadata), pictureless)
    found = [mapped] if mapped else []
    found += [MEASURED] if metadata.get("au_scale") == "activation" and not pictureless else []
    return [*(found or [UNKNOWN]), EXPRESSIONS]


def methods(metadata: Mapping[str, str], recording: str, still: bool = False) -> str:
    """Return a paragraph for the methods section of a paper.

    recording: what was analysed, "recording (5.2 s, 120 frames)" or "picture"; still: whether it is a photograph, of
    which stages that need time are left out. Stages that need sound or pictures are left out if the clip has none.
    """
    device = metadata.get("device")
    parts = [
        f"The {recording} was analysed with avfer {metadata.get('version') or '(version not stated in the table)'}"
        f"{_pipeline(metadata)}{f', on the device {device}' if device else ''}."
    ]
    stages = {line.use for line in _stages(metadata)} & (STILL_STAGES if still else set(STAGES))
    stages -= SOUND_STAGES if is_silent(metadata) else set()
    stages -= FACE_STAGES if has_no_pictures(metadata) else set()
    if steps := [text for stage, text in STAGES.items() if stage in stages]:
        sentence = ", ".join(steps)
        parts.append(f"{sentence[0].upper()}{sentence[1:]}.")
    if cards := _running_cards(metadata):
        trained = [f"{name} ({card.data})" for name, card in cards.items() if card.data]
        parts.append(f"The networks were trained on: {'; '.join(trained)}.")
    return " ".join([*parts, *_baseline(metadata), *caveats(metadata)])


def _baseline(metadata: Mapping[str, str]) -> list[str]:
    """Return how corrected action units were computed; nothing if the table has none or does not state it."""
    with suppress(KeyError, TypeError, ValueError):  # the metadata may be of another program
        method = json.loads(metadata[METADATA_KEY])
        resting = f"the {LOW_QUANTILE:g} quantile of the person's values in the clip"
        if method["method"] == "seconds":
            resting = f"the median of the person's values from {method['start_s']:g} to {method['stop_s']:g} s"
        return [f"Corrected action units are those above a resting value: {resting} was subtracted."]
    return []


def _pipeline(metadata: Mapping[str, str]) -> str:
    """Return which pipeline made a table, ", pipeline aver (sha256 898112b04636)", as far as the table states it."""
    name, sha256 = metadata.get("pipeline_name"), metadata.get("pipeline_sha256", "")[:12]
    if not name:
        return f", a pipeline with the sha256 {sha256}" if sha256 else ""
    return f", pipeline {name}{f' (sha256 {sha256})' if sha256 else ''}"


def bibtex(metadata: Mapping[str, str]) -> str:
    """Return BibTeX entries of avfer and of what the embedded weights of a table were made from."""
    version = f", version = {{{metadata['version']}}}" if metadata.get("version") else ""
    own = f"@software{{avfer,\n  author = {{{{The avfer developers}}}},\n  title = {{avfer}}{version}\n}}"
    keys = [key for name in _running_cards(metadata) for key in CITED.get(name, [])]
    detectors = {line.options.get("detector", "mtcnn") for line in _stages(metadata) if line.use == "detect_faces"}
    if "mtcnn" in detectors and not has_no_pictures(metadata):
        keys.insert(0, "zhang2016mtcnn")
    return "\n\n".join([own, *(ENTRIES[key] for key in dict.fromkeys(keys))])


def _running_cards(metadata: Mapping[str, str]) -> dict[str, Card]:
    """Return the embedded cards of networks that ran: not those that read faces, or sound, of a clip without them."""
    cards = embedded_cards_of(metadata)
    faces = {name for name, card in cards.items() if card.size is not None}
    sound = {name for name, card in cards.items() if card.size is None and not card.inputs}
    idle = (faces if has_no_pictures(metadata) else set()) | (sound if is_silent(metadata) else set())
    return {name: card for name, card in cards.items() if name not in idle}


def _stages(metadata: Mapping[str, str]) -> list[StageSpec]:
    """Return the stages of the pipeline that made a table; none if this avfer cannot read it."""
    with suppress(ConfigError):
        return list(parse_pipeline(metadata.get("pipeline", ""), "pipeline").stages)
    return []
