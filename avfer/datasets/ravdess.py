"""RAVDESS (Livingstone and Russo, 2018): 24 actors speak and sing two sentences with eight expressions."""

import re
from collections.abc import Iterator
from pathlib import Path

from avfer.datasets.example import PARTITIONS, Corpus, Example, Notes, Partition
from avfer.datasets.listing import SOUNDS, VIDEOS, check_root, identified, list_files, natural, not_found, walk
from avfer.datasets.single_label import REPEATED_CLIP, middle_time, one_class
from avfer.datasets.splits import AVFER_SPLIT, Split, choose_split
from avfer.errors import ConfigError, unknown

# modality, channel, expression, intensity, sentence, repetition, actor
NAME = re.compile(r"(0[123])-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-([0-9]{2})")
CLASSES = ("neutral", "calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise")  # 01 to 08
CHANNELS = {"speech": "01", "song": "02"}
SUFFIXES = {"01": VIDEOS, "02": VIDEOS, "03": SOUNDS}  # modality: video with audio, video alone, audio alone
ACTORS = range(1, 25)
SPLIT: Split = {
    "train": list(range(1, 15)),
    "dev": [15, 16, 17, 18],
    "test": [19, 20, 21, 22],
}  # half of each are women; actors 23 and 24 are left out
DUPLICATES = {"03-01-03-01-02-02-07": "03-01-03-01-02-01-07"}  # identical bytes under two names in the release
NOT_NAMED = "files that are not named as in RAVDESS: ignored"
DUPLICATE = "the one file that repeats another byte by byte: left out"
SILENT = "videos without audio of clips whose video with audio is on disk: left out"
AUDIO_OF_VIDEO = "audio files of clips whose video is on disk: left out"


class Ravdess(Corpus):
    """RAVDESS on disk, in folders `Actor_01` or none; one example a clip, with a label for its whole length.

    The name of a file has seven numbers: modality (01 video with audio, 02 video, 03 audio), channel (01 speech,
    02 song), expression (01 to 08), intensity, sentence, repetition and actor: `01-01-05-01-02-01-12.mp4`.
    Label of each clip: "expression" (1,) of 8 classes. The subject is the actor.
    channel: "speech" or "song"; default: both.
    split: "avfer" (train 01-14, dev 15-18, test 19-22, without 23 and 24), "all" in train, or a file of lines
    `train: 1 2 3`.
    Of a clip that is on disk as video and as audio, the video is read. The label is the expression that the actor was
    given.

    root: folder of the corpus.
    """

    name = "ravdess"

    def __init__(self, root: Path | str, split: str | Path = AVFER_SPLIT, channel: str | None = None) -> None:
        self.root = check_root(root)
        self.notes = Notes()
        if channel is not None and channel not in CHANNELS:
            raise ConfigError(f"ravdess: {unknown('channel', channel, CHANNELS)}")
        chosen = choose_split("ravdess", split, SPLIT)
        found = _find(self.root, self.notes)
        if not found:
            raise not_found("RAVDESS", self.root, ("Actor_01/01-01-01-01-01-01-01.mp4", "03-01-01-01-01-01-01.wav"))
        wanted = CHANNELS.get(channel or "")
        self._clips = {name: path for name, path in found.items() if wanted in (None, name[3:5])}
        self._members = chosen.divide({name: int(name[-2:]) for name in self._clips}, self.notes)
        kinds = {"videos" if path.suffix.lower() in VIDEOS else "sounds" for path in self._clips.values()}
        self.distribution = f"{' and '.join(sorted(kinds, reverse=True))} of {channel or 'speech and song'}"
        self.protocol = f"split {chosen.description}; one label a clip, the expression given to the actor"

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Return the partitions with a clip."""
        return tuple(partition for partition in PARTITIONS if self._members[partition])

    def examples(self, partition: Partition) -> Iterator[Example]:
        """Yield the clips of a partition; the subject is "Actor_01"."""
        for name in self._members[partition]:
            path = self._clips[name]
            video = path if name[:2] != "03" else None
            audio = path if name[:2] != "02" else None
            labels = {"expression": one_class(CLASSES[int(name[6:8]) - 1], CLASSES)}
            times = middle_time(path, self.notes)
            subject = f"Actor_{name[-2:]}"
            yield Example(name, partition, labels, subject, video, audio, times=times, whole_clip=True)


def _find(root: Path, notes: Notes) -> dict[str, Path]:
    """Return the files to read by clip, in natural order; note all others."""
    paths = (path for folder in walk(root, 4) for path in list_files(folder, *VIDEOS, *SOUNDS))
    found = identified(paths, _identify, notes, other=NOT_NAMED, repeated=REPEATED_CLIP)
    return {name: found[name] for name in sorted(found, key=natural) if not _is_left_out(name, found, notes)}


def _identify(path: Path) -> str | None:
    """Return the id of a clip, `01-01-05-01-02-01-12`; None for another name, actor or suffix."""
    match = NAME.fullmatch(path.stem)
    known = match and path.suffix.lower() in SUFFIXES[match[1]] and int(match[7]) in ACTORS
    return path.stem if known else None


def _is_left_out(name: str, found: dict[str, Path], notes: Notes) -> bool:
    """Return whether another file of the same clip is read, and note that this one is left out.

    Video with audio is preferred to video alone, and that to audio alone. The numbers after the modality are the clip.
    """
    clip = name[2:]
    reasons = {
        DUPLICATE: DUPLICATES.get(name) in found,
        SILENT: name.startswith("02") and f"01{clip}" in found,
        AUDIO_OF_VIDEO: name.startswith("03") and (f"01{clip}" in found or f"02{clip}" in found),
    }
    for note, applies in reasons.items():
        if applies:
            notes.add(note, found[name])
            return True
    return False
