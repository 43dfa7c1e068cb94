"""What `--input` may name: files, folders, globs and .txt lists, as media files in a fixed order."""

from collections.abc import Iterable, Sequence
from glob import glob, has_magic
from pathlib import Path

from avfer.errors import ConfigError

PICTURES = "3gp avi flv gif m2ts m4v mkv mov mp4 mpeg mpg mts mxf ogv ts webm wmv"
SOUNDS = "aac aif aiff flac m4a mka mp3 oga ogg opus wav wma"
# Endings looked for in folders; a file named outright is always taken.
MEDIA = {f".{name}" for name in (PICTURES + " " + SOUNDS).split()}


def find_clips(inputs: Sequence[str]) -> list[Path]:
    """The media files behind the inputs, each once. ConfigError where an input names nothing."""
    found = [path for text in inputs for path in _clips_of(text)]
    return list({path.resolve(): path for path in reversed(found)}.values())[::-1]


def check_names(clips: Iterable[Path]) -> None:
    """ConfigError where two clips would write the same files."""
    seen: dict[str, Path] = {}
    for clip in clips:
        if clip.stem in seen:
            raise ConfigError(
                f"{seen[clip.stem]} and {clip} would both be written as '{clip.stem}'; rename one, or run them apart "
                "with different --output folders"
            )
        seen[clip.stem] = clip


def _clips_of(text: str, base: Path | None = None) -> list[Path]:
    path = Path(text).expanduser()
    path = path if base is None else base / path
    if path.is_dir():
        return _clips_in(path)
    if path.is_file():
        return _clips_listed(path) if path.suffix.lower() == ".txt" and base is None else [path]
    pattern = str(path)
    matches = sorted(glob(pattern, recursive=True)) if has_magic(pattern) else []  # noqa: PTH207
    if not matches:
        raise ConfigError(f"no file, folder or pattern '{text}' with anything in it; check the path behind --input")
    return [clip for match in matches for clip in (_clips_in(Path(match)) if Path(match).is_dir() else [Path(match)])]


def _clips_in(folder: Path) -> list[Path]:
    """Media files of a folder and the folders in it; hidden ones stay aside."""
    clips = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in MEDIA
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if not clips:
        raise ConfigError(f"no media file in the folder {folder}")
    return clips


def _clips_listed(path: Path) -> list[Path]:
    """One input a line, seen from the list's folder; empty lines and lines with # are skipped."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the list {path} cannot be read: {error}") from error
    named = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not named:
        raise ConfigError(f"the list {path} names no file")
    return [clip for line in named for clip in _clips_of(line, path.parent)]
