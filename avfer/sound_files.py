"""Separate sound files: which file has the sound of a clip, `--sound auto` or `--sound PATTERN`.

| --sound              | sound of S1/talk.mp4                                                            |
| auto                 | S1/talk.wav, or talk with another audio ending; its own sound if there is none |
| {stem}_mic.wav       | S1/talk_mic.wav                                                                 |
| ../audio/{stem}.*    | the one file that matches, relative to the folder of the clip                   |
"""

from dataclasses import replace
from glob import escape, glob
from pathlib import Path

from avfer import remote
from avfer.errors import ConfigError
from avfer.inputs import InputFile
from avfer.remote import AUDIO_SUFFIXES, VIDEO_SUFFIXES

AUTO = "auto"


def find_sound(rule: str | None, clip: str) -> Path | None:
    """Return the separate sound file of a clip, None if it has none.

    rule: "auto", or a pattern with `{stem}` for the name of the clip without ending. clip: local path or URL.
    Raises ConfigError if a pattern matches no file, if several files match, or if the clip is a URL and the rule a
    pattern.
    """
    if rule is None or (rule == AUTO and (remote.is_url(clip) or Path(clip).suffix.lower() in AUDIO_SUFFIXES)):
        return None
    if remote.is_url(clip):
        raise ConfigError(f"--sound {rule}: the clip {clip} is remote; only local clips can have a separate sound file")
    path = Path(clip)
    name = f"{escape(path.stem)}.*" if rule == AUTO else rule.replace("{stem}", escape(path.stem))
    matches = sorted(glob(name if Path(name).is_absolute() else f"{escape(str(path.parent))}/{name}"))  # noqa: PTH207
    found = [match for match in map(Path, matches) if match.is_file() and match.resolve() != path.resolve()]
    if rule == AUTO:
        found = [match for match in found if match.suffix.lower() in AUDIO_SUFFIXES]
    if len(found) > 1:
        names = ", ".join(match.name for match in found)
        raise ConfigError(f"--sound {rule}: several files fit {clip}: {names}; give a pattern that only one matches")
    if not found and rule != AUTO:
        raise ConfigError(f"--sound {rule}: no file matches for {clip}; {{stem}} means its name without ending")
    return found[0] if found else None


def belongs_to_clip(rule: str | None, file: str) -> bool:
    """Return whether a file is the sound of clips rather than a clip of its own.

    With a pattern these are all files with an audio ending, with `auto` those beside a video of the same name.
    """
    path = Path(file)
    if rule is None or remote.is_url(file) or path.suffix.lower() not in AUDIO_SUFFIXES:
        return False
    namesakes = path.parent.glob(f"{escape(path.stem)}.*")
    return rule != AUTO or any(other.suffix.lower() in VIDEO_SUFFIXES for other in namesakes)


def with_sound(file: InputFile, rule: str | None) -> InputFile:
    """Return a file of the inputs with its separate sound file; size and time are then those of both.

    Raises ConfigError as `find_sound`.
    """
    sound = find_sound(rule, file.path)
    if sound is None:
        return file
    state = sound.stat()
    modified = max(file.modified or 0.0, state.st_mtime)
    return replace(file, sound=str(sound), size=file.size + state.st_size, modified=modified)
