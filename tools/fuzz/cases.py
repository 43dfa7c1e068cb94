"""The command lines of each kind, and the files that they find: an endless series for each random generator."""

import pickle
import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path

from tools.fuzz.hostile_files import archive, evil_pickle
from tools.fuzz.mutations import CANARY, mutate_bytes, mutate_cells, mutate_text, random_value

ROOT = Path(__file__).parents[2]
CLIP = "clip.mp4"  # a sound clip, in the folder of every case
PIPELINES = [path.read_text() for path in sorted((ROOT / "pipelines").glob("*.yaml"))]
TRAINING = [path.read_text() for path in sorted((ROOT / "configs" / "train").glob("*.yaml"))]
EVALUATION = [path.read_text() for path in sorted((ROOT / "configs" / "eval").glob("*.yaml"))]


@dataclass
class Case:
    """One command line, and the files that it finds in its folder."""

    words: list[str]
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])


def documents(rng: random.Random) -> Iterator[Case]:
    """Yield configurations of all three kinds with mutated lines, keys and values."""
    run = ["run", "x.yaml", "--input", CLIP, "--output", "out", "--device", "cpu", "--quiet"]
    words = {"run": run, "train": ["train", "x.yaml", "--quiet"], "evaluate": ["evaluate", "x.yaml", "--quiet"]}
    while True:
        verb = rng.choices(["run", "train", "evaluate"], [6, 2, 2])[0]
        text = rng.choice({"run": PIPELINES, "train": TRAINING, "evaluate": EVALUATION}[verb])
        for _ in range(rng.choice([1, 1, 1, 2, 4])):
            text = mutate_text(rng, text)
        yield Case(words[verb], {"x.yaml": text.encode(errors="surrogatepass")})


def options(rng: random.Random) -> Iterator[Case]:
    """Yield command lines with mutated values of --set and of other options."""
    real, others = option_keys("aver"), ["use", "boxes", "x.y", "boxes.use", "boxes.from", ""]
    base = ["run", "aver", "--input", CLIP, "--output", "out", "--device", "cpu", "--quiet"]
    while True:
        value = rng.choice([random_value(rng), f"{rng.uniform(-2, 2) * 10 ** rng.randrange(-3, 6):.4g}"])
        key = rng.choice(real if rng.random() < 0.8 else others)
        words = [*base, "--set", value if rng.random() < 0.1 else f"{key}={value}"]
        if rng.random() < 0.15:
            words = [*base, rng.choice(["--format", "--device", "--output", "--input"]), value]
        if rng.random() < 0.1:
            words = ["corpora", "check", value, rng.choice([".", f"touch {CANARY}"])]
        yield Case([word.replace("\0", "") for word in words])


def option_keys(name: str) -> list[str]:
    """Return the keys of all options of a bundled pipeline: "boxes.min_size", "chunk"."""
    from avfer.catalog import find
    from avfer.pipeline_config import read_pipeline

    stages = read_pipeline(name).stages
    options = [(stage.name, option) for stage in stages for option in fields(find("stage", stage.use)) if option.init]
    return ["chunk", "threads", *(f"{stage}.{option.name}" for stage, option in options)]


def manifests(rng: random.Random) -> Iterator[Case]:
    """Yield manifests and lists with mutated cells and bytes."""
    base = f"path,id,subject\n{CLIP},a,s1\n"
    while True:
        text = base
        for _ in range(rng.choice([1, 2, 3])):
            text = mutate_cells(rng, text)
        data = text.encode(errors="surrogatepass")
        if rng.random() < 0.4:
            data = mutate_bytes(rng, data)
        name = rng.choice(["m.csv", "m.csv", "m.csv", "m.txt", "m.parquet"])
        verb = rng.choices(["run", "label"], [9, 1])[0]
        words = [verb, "vision", "--input", name, "--output", "out", "--device", "cpu", "--quiet"]
        yield Case(words + (["--workers", "1"] if verb == "label" else []), {name: data})


def weights(rng: random.Random) -> Iterator[Case]:
    """Yield safetensors and pickles that are damaged or that would run code."""
    good = (ROOT / "avfer" / "builtin" / "aver_lite.safetensors").read_bytes()
    card = (ROOT / "avfer" / "builtin" / "aver_lite.json").read_bytes()
    small = pickle.dumps({"state_dict": {"a": [1.0, 2.0]}})
    while True:
        kind = rng.choice(["safetensors", "card", "pickle", "evil", "archive"])
        if kind in {"safetensors", "card"}:
            files = {"w.safetensors": good, "w.json": card}
            name = "w.safetensors" if kind == "safetensors" else "w.json"
            files[name] = mutate_bytes(rng, files[name], head=rng.random() < 0.7)
            use = ["run", "vision", "--input", CLIP, "--output", "out", "--device", "cpu", "--quiet"]
            yield Case([*use, "--set", "look.weights=w.safetensors"], files)
            continue
        data = {"pickle": mutate_bytes(rng, small), "evil": evil_pickle(rng), "archive": archive(rng)}[kind]
        name = rng.choice(["poster_v2", "dan", "aver_lite", "mtcnn", "gru_lite", "vggish"])
        suffix = rng.choice([".pth", ".pt", ".tar", ".npz", ".bin", ".safetensors"])
        yield Case(["models", "import", name, f"w{suffix}", "--output", "o.safetensors"], {f"w{suffix}": data})


MEDIA = {  # name -> codec and further arguments of write_clip; sound where the format has it
    "a.mp4": {"codec": "libx264"},
    "a.mov": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "a.mkv": {"codec": "libx265"},
    "a.webm": {"codec": "libvpx-vp9", "sample_rate": 48000},
    "a.avi": {"codec": "mpeg4"},
    "a.ts": {"codec": "mpeg2video"},
    "a.mpg": {"codec": "mpeg1video"},
    "a.wav": {},
    "a.mp3": {},
    "a.ogg": {"sample_rate": 48000},
}


def media(rng: random.Random) -> Iterator[Case]:
    """Yield runs of the bundled pipelines over mutated media files of ten formats."""
    from tests.media_maker import stripes, tone, write_clip

    whole: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, facts in MEDIA.items():
            sound = tone(0.6, int(facts.get("sample_rate", 44100)))
            frames = stripes(15) if "codec" in facts else None
            whole[name] = write_clip(Path(folder) / name, frames, sound=sound, **facts).read_bytes()
    while True:
        name = rng.choice(list(MEDIA))
        data = whole[name]
        for _ in range(rng.choice([1, 1, 2, 5])):
            data = mutate_bytes(rng, data, head=rng.random() < 0.5) or b"\0"
        words = ["run", rng.choice(["voice", "voice", "vision", "aver"]), "--input", name, "--output", "out", "--quiet"]
        extra = rng.choice([[], [], ["--overlay"], ["--start", "0.2", "--stop", "0.5"]])
        yield Case([*words, "--device", "cpu", *extra], {name: data})


KINDS: dict[str, tuple[Callable[[random.Random], Iterator[Case]], int]] = {  # name -> cases, full count
    "documents": (documents, 1200),
    "options": (options, 800),
    "manifests": (manifests, 200),
    "weights": (weights, 100),
    "media": (media, 500),
}
