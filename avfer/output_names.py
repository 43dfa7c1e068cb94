"""The names of the output files of clips, below the output folder and without the suffix of a format."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from avfer.errors import ConfigError
from avfer.inputs import InputFile
from avfer.remote import without_query


def output_names(files: Sequence[InputFile]) -> list[str]:
    """Return the name of the outputs of each clip: "s1/cam" for s1/cam.mp4 in a folder, else its `id` in a manifest.

    Clips found in a folder or by a pattern keep their tree below it. Those that would share a name keep their ending
    (cam.webm, cam.wav); those that still share one, because a list names them in several folders, are named by their
    path in the list. Raises ConfigError if two clips still share one then.
    """
    choices = [_names(file) for file in files]
    chosen = [0] * len(files)
    while True:
        names = [names[number] for names, number in zip(choices, chosen, strict=True)]
        shared = {name for name, count in Counter(names).items() if count > 1}
        if not shared:
            return names
        movable = [row for row, name in enumerate(names) if name in shared and chosen[row] + 1 < len(choices[row])]
        if not movable:
            first, second = [file.given for file, name in zip(files, names, strict=True) if name in shared][:2]
            raise ConfigError(
                f"{first} and {second} would both be written as '{min(shared)}'; give the folder above them, or run "
                "them separately with different --output folders"
            )
        for row in movable:
            chosen[row] += 1


def check_output_names(names: Mapping[Path, str]) -> None:
    """Raise ConfigError if two clips would write the same files. `avfer evaluate` uses it.

    names: clip -> name of its outputs.
    """
    clip_of: dict[str, Path] = {}
    for clip, name in names.items():
        if name in clip_of:
            raise ConfigError(
                f"{clip_of[name]} and {clip} would both be written as '{name}'; rename one, or run them "
                "separately with different --output folders"
            )
        clip_of[name] = clip


def _names(file: InputFile) -> list[str]:
    """Return the possible names of a clip's outputs, the preferred one first."""
    in_tree = PurePosixPath(file.path_in_tree or PurePosixPath(without_query(file.path)).name)
    in_list = PurePosixPath(file.id)
    found = [in_tree.with_suffix(""), in_tree, in_list.with_suffix(""), in_list]
    if file.chosen_name:
        found.insert(0, PurePosixPath(file.chosen_name))
    return list(dict.fromkeys(str(path) for path in found if not path.is_absolute() and ".." not in path.parts))
