"""What is here, what is missing, and how to get it."""

import importlib
import importlib.metadata
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from avfer import __version__
from avfer.models.weights import BUILTIN, read_card, sha256

PACKAGES = (
    "torch",
    "torchvision",
    "torchaudio",
    "av",
    "librosa",
    "soxr",
    "facenet-pytorch",
    "numpy",
    "pandas",
    "pyarrow",
)
DECODERS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg", "aac", "mp3", "opus", "vorbis", "flac", "pcm_s16le")
READERS = {
    "decord": "pip install 'avfer[decord]'",
    "torchcodec": "pip install 'avfer[torchcodec]', and FFmpeg's libraries",
}


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    part: str
    name: str
    told: str
    fine: bool = True
    needed: bool = True  # False: an option, not missed by the bundled pipelines


def examine() -> bool:
    """Print the report; whether everything needed is in order."""
    findings = [*_versions(), *_devices(), *_codecs(), *_readers(), *_weights()]
    table = Table(box=None, show_header=False, pad_edge=False)
    last = ""
    for finding in findings:
        mark = "[green]ok[/]" if finding.fine else ("[red]missing[/]" if finding.needed else "[yellow]absent[/]")
        table.add_row(
            "" if finding.part == last else f"[bold]{finding.part}[/]", mark, escape(finding.name), escape(finding.told)
        )
        last = finding.part
    console = Console()
    (console if console.is_terminal else Console(width=200)).print(table)
    return all(finding.fine or not finding.needed for finding in findings)


def _versions() -> Iterator[Finding]:
    yield Finding("versions", "avfer", __version__)
    yield Finding("versions", "python", f"{platform.python_version()}, {platform.system()} {platform.machine()}")
    for name in PACKAGES:
        try:
            yield Finding("versions", name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding("versions", name, f"pip install {name}", fine=False)


def _devices() -> Iterator[Finding]:
    import torch

    yield Finding("devices", "cpu", f"{torch.get_num_threads()} threads")
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    named = torch.cuda.get_device_name() if cuda else "no NVIDIA GPU that this torch can use"
    yield Finding("devices", "cuda", named, fine=cuda, needed=False)
    if sys.platform == "darwin":
        yield Finding("devices", "mps", "Apple GPU" if mps else "not on this machine", fine=mps, needed=False)


def _codecs() -> Iterator[Finding]:
    import av.codec

    def known(name: str, mode: str) -> bool:
        try:
            av.codec.Codec(name, mode)  # pyright: ignore[reportArgumentType]
        except ValueError:
            return False
        return True

    missing = [name for name in DECODERS if not known(name, "r")]
    there = ", ".join(name for name in DECODERS if name not in missing)
    yield Finding("codecs", "read by PyAV", there)
    if missing:
        yield Finding("codecs", ", ".join(missing), "pip install --upgrade av", fine=False)
    encoder = next((name for name in ("libx264", "mpeg4") if known(name, "w")), None)
    yield Finding("codecs", "overlay written by", encoder or "pip install --upgrade av", fine=encoder is not None)


def _readers() -> Iterator[Finding]:
    yield Finding("readers", "pyav", "the default")
    for name, remedy in READERS.items():
        try:
            importlib.import_module(name)
            yield Finding("readers", name, importlib.metadata.version(name))
        except Exception as error:  # torchcodec raises RuntimeError where FFmpeg's libraries are not found
            reason = "" if isinstance(error, ModuleNotFoundError) else "installed, but does not load; "
            yield Finding("readers", name, reason + remedy, fine=False, needed=False)


def _weights() -> Iterator[Finding]:
    cards = sorted(BUILTIN.glob("*.json"))
    if not cards:
        yield Finding("weights", "none", "this package holds no weights; install avfer again", fine=False)
    for path in cards:
        file, card = path.with_suffix(".safetensors"), read_card(path)
        if not file.exists():
            yield Finding("weights", file.name, "is not there; install avfer again", fine=False)
        elif card.sha256 and sha256(file) != card.sha256:
            yield Finding("weights", file.name, "is damaged: sha256 differs; install avfer again", fine=False)
        else:
            yield Finding(
                "weights", file.name, f"sha256 {(card.sha256 or '')[:12]}, {card.licence_weights or 'no licence told'}"
            )
    yield Finding("weights", "mtcnn", "in facenet-pytorch, MIT")
    yield from _voice_note()


def _voice_note() -> Iterator[Finding]:
    told = "trained on RAVDESS (CC BY-NC-SA 4.0): not for commercial use; the pipeline `vision` is free of them"
    yield Finding("licences", "vggish_lite, gru_lite", told)
