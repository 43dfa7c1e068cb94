"""The report of `avfer doctor`: versions, devices, codecs, readers and weights.

Each line is a Finding: what was checked, whether it is in order, and how to install it if it is missing. Optional parts
(GPU, further readers) are reported as absent and do not make the report fail. A package that is missing or broken ends
its section of the report alone, so this module imports none at its top that it reports on.
"""

import importlib
import importlib.metadata
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table

from avfer import __version__
from avfer.catalog import find
from avfer.errors import WeightsError, counted
from avfer.listing_console import listing_console
from avfer.models.card_files import BUILTIN, read_card

WIDTH = 200  # characters of a line in a file or a pipe
DECODERS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg", "aac", "mp3", "opus", "vorbis", "flac", "pcm_s16le")
READERS = {
    "decord": "pip install 'avfer[decord]'",
    "torchcodec": "pip install 'avfer[torchcodec]', and FFmpeg's libraries",
}
EXTRAS = {  # package -> the extra of avfer with it, what needs it; the readers are listed by themselves
    "ai-edge-litert": ("mediapipe", "measure_faces with network: face_landmarker"),
    "onnx": ("onnx", "engine: onnx"),
    "onnxruntime": ("onnx", "engine: onnx"),
    "lightning-fabric": ("train", "avfer train"),
    "scikit-learn": ("train", "avfer train"),
    "tensorboard": ("train", "avfer train"),
    "ray": ("ray", "avfer label --ray"),
    "s3fs": ("s3", "inputs at s3://"),
    "pyreadstat": ("spss", "avfer export spss"),
    "XlsxWriter": ("xlsx", "avfer export xlsx"),
}
PACKAGED = {"mtcnn": ("detector", "facenet-pytorch"), "silero_vad": ("speech detector", "silero-vad")}  # both MIT


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    section: str  # "versions", "devices", "codecs", "readers", "extras", "weights" or "licences"
    name: str  # of the package, device, codec or file
    detail: str  # version or state; the way to install it if it is missing, or of a version that does not fit
    fine: bool = True  # False for something missing or wrong
    required: bool = True  # False: optional, the bundled pipelines run without it


def examine() -> bool:
    """Print the report and return whether everything required is in order.

    Imports torch, PyAV and the optional readers, which takes seconds, and computes the sha256 of every embedded weight
    file. Example line: `readers  absent  decord  pip install 'avfer[decord]'`.
    """
    sections = {
        "versions": _versions,
        "devices": _devices,
        "codecs": _codecs,
        "readers": _readers,
        "extras": _extras,
        "weights": _weights,
    }
    findings = [finding for name, section in sections.items() for finding in _findings(name, section)]
    table = Table(box=None, show_header=False, pad_edge=False)
    last = ""
    for finding in findings:
        mark = "[green]ok[/]" if finding.fine else ("[red]fault[/]" if finding.required else "[yellow]absent[/]")
        section = "" if finding.section == last else f"[bold]{finding.section}[/]"
        table.add_row(section, mark, escape(finding.name), escape(finding.detail))
        last = finding.section
    listing_console(WIDTH).print(table)
    return all(finding.fine or not finding.required for finding in findings)


def _findings(name: str, section: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Yield the findings of a section; an error ends it and is a finding too."""
    try:
        yield from section()
    except Exception as error:  # a broken installation can raise anything
        yield Finding(name, type(error).__name__, str(error).partition("\n")[0], fine=False)


def _versions() -> Iterator[Finding]:
    """Report the versions of avfer, Python and the packages it needs, within the bounds that its metadata state."""
    from packaging.requirements import Requirement

    yield Finding("versions", "avfer", __version__)
    yield Finding("versions", "python", f"{platform.python_version()}, {platform.system()} {platform.machine()}")
    for needed in map(Requirement, importlib.metadata.requires("avfer") or ()):
        if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
            continue  # a package of an extra, or for another system
        remedy = f"pip install '{needed.name}{needed.specifier}'"
        try:
            found = importlib.metadata.version(needed.name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding("versions", needed.name, remedy, fine=False)
            continue
        fits = needed.specifier.contains(found, prereleases=True)
        detail = found if fits else f"{found}, but avfer needs {needed.specifier}: {remedy}"
        yield Finding("versions", needed.name, detail, fine=fits)


def _devices() -> Iterator[Finding]:
    """Report the devices torch can use; GPUs are optional."""
    import torch

    yield Finding("devices", "cpu", counted(torch.get_num_threads(), "thread"))
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    device = torch.cuda.get_device_name() if cuda else "torch finds no usable NVIDIA GPU"
    yield Finding("devices", "cuda", device, fine=cuda, required=False)
    if sys.platform == "darwin":
        yield Finding("devices", "mps", "Apple GPU" if mps else "no Apple GPU", fine=mps, required=False)


def _codecs() -> Iterator[Finding]:
    """Report the decoders PyAV contains, and the encoder that overlays are written with."""
    import av.codec

    def available(name: str, mode: str) -> bool:
        try:
            av.codec.Codec(name, mode)  # pyright: ignore[reportArgumentType]
        except ValueError:
            return False
        return True

    missing = [name for name in DECODERS if not available(name, "r")]
    readable = ", ".join(name for name in DECODERS if name not in missing)
    yield Finding("codecs", "read by PyAV", readable)
    if missing:
        yield Finding("codecs", ", ".join(missing), "pip install --upgrade av", fine=False)
    encoder = next((name for name in ("libx264", "mpeg4") if available(name, "w")), None)
    yield Finding("codecs", "overlay written by", encoder or "pip install --upgrade av", fine=encoder is not None)


def _readers() -> Iterator[Finding]:
    """Report the video readers; those beside PyAV are optional."""
    yield Finding("readers", "pyav", "the default")
    for name, remedy in READERS.items():
        try:
            importlib.import_module(name)
            yield Finding("readers", name, importlib.metadata.version(name))
        except Exception as error:  # torchcodec raises RuntimeError if it does not find FFmpeg's libraries
            reason = "" if isinstance(error, ModuleNotFoundError) else "installed, but does not load; "
            yield Finding("readers", name, reason + remedy, fine=False, required=False)


def _extras() -> Iterator[Finding]:
    """Report the packages that optional features need."""
    for name, (extra, purpose) in EXTRAS.items():
        try:
            yield Finding("extras", name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            remedy = f"pip install 'avfer[{extra}]', for {purpose}"
            yield Finding("extras", name, remedy, fine=False, required=False)


def _weights() -> Iterator[Finding]:
    """Report whether each weight file exists and has the sha256 of its card, and which are for research alone."""
    from avfer.models.weights import packaged_files, sha256

    stems = sorted({path.stem for path in BUILTIN.iterdir() if path.suffix in {".json", ".safetensors"}})
    if not stems:
        yield Finding("weights", "none", "the package contains no weights; reinstall avfer", fine=False)
    research: list[str] = []
    for stem in stems:
        file = BUILTIN / f"{stem}.safetensors"
        try:
            card = read_card(BUILTIN / f"{stem}.json")
        except WeightsError as error:
            yield Finding("weights", file.name, f"{error}; reinstall avfer", fine=False)
            continue
        research += [] if card.commercial else [stem]
        if not file.exists():
            yield Finding("weights", file.name, "missing; reinstall avfer", fine=False)
        elif card.sha256 and sha256(file) != card.sha256:
            yield Finding("weights", file.name, "damaged, its sha256 differs; reinstall avfer", fine=False)
        else:
            licence = card.licence_weights or "licence not stated"
            yield Finding("weights", file.name, f"sha256 {(card.sha256 or '')[:12]}, {licence}")
    for name, (kind, package) in PACKAGED.items():
        try:
            packaged_files(find(kind, name))
            yield Finding("weights", name, f"in {package}, MIT")
        except Exception as error:  # the package may be missing or broken
            yield Finding("weights", name, f"{error}; pip install --force-reinstall {package}", fine=False)
    note = "the bundled pipelines read them only with `weights: research` or `vggish_lite`"
    yield Finding("licences", "not for commercial use", f"{', '.join(research)}; {note}")
