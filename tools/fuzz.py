"""Feed avfer with mutated configurations, options, manifests, weights and media; list every outcome that is wrong.

    .venv/bin/python -m tools.fuzz                      # the full counts
    .venv/bin/python -m tools.fuzz --kinds options --share 0.05 --seed 7

A right outcome is exit code 0, 2, or 3 with a reason for each input. Wrong are: a traceback, the word "unexpected",
another exit code, a case that takes longer than 30 s, a temporary file that is left behind, and a run of code from a
file (the canary PWNED appears). Each case runs in a process of its own, forked after the imports, in an empty folder.
Wrong cases are kept in a folder: the command, its files and its messages. Needs an operating system with fork().
"""

import argparse
import contextlib
import io
import json
import os
import pickle
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIMIT = 30.0  # seconds for one case
CANARY = "PWNED"
CLIP = "clip.mp4"
PIPELINES = [path.read_text() for path in sorted((ROOT / "pipelines").glob("*.yaml"))]
TRAINING = [path.read_text() for path in sorted((ROOT / "configs" / "train").glob("*.yaml"))]
EVALUATION = [path.read_text() for path in sorted((ROOT / "configs" / "eval").glob("*.yaml"))]
RUN = f"import os; os.system('touch {CANARY}')"
VALUES = [  # that configurations and options get in place of their own
    "", "~", "null", "true", "-1", "0", "1", "2", "1e309", "-1e309", ".nan", ".inf", "-.inf", "1e-320", "1e3", "100000",
    "9" * 30, "9" * 5000, "0x" + "f" * 300, "1:1:1", "2024-01-31", "2001-99-99", "soon", "''", "' '", "é",
    "\u2028", "\ud83d\ude00",
    "[]", "[1]", "{}", "{a: 1}", "[[[[1]]]]", "[" * 30, "[" * 3000, "{a: " * 50, "!!int x", "!!timestamp 2001-99-99",
    "!!binary aaa", "!!set {x}", f"!!python/object/apply:os.system ['touch {CANARY}']", "!!python/name:os.system",
    "*a", "&a [*a]", "&a x", "<<: *a", '"\\0"', '"\\uD800"', "a: b: c", "- x", "|", ">", "%", "@", "`", "?", "...",
    "---", "os:system", "subprocess:Popen", "builtins:eval", "posix:system", "avfer:load", "avfer.__main__:main",
    "__main__:app",
    "avfer.cli:main", "torch.nn:Linear", "torch.hub:load", "pip:main", "timm:resnet18", "timm:../x", "timm:", ":",
    "a:", ":a",
    "os", "..:x", "a.b.c:d", "tests.toy_stages:Hum", "avfer.stages.predict:PredictOwnHeads", f"touch {CANARY}",
    "/", "/dev/zero", "/etc/passwd", ".", "..", "~", "~nobody", "a" * 300, "a/" * 3000, "https://", "file:///etc",
]  # fmt: skip


@dataclass
class Case:
    """One command line, and the files that it finds in its folder."""

    words: list[str]
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])


@dataclass
class Outcome:
    """What a command did."""

    code: int  # negative: the number of the signal that ended it
    seconds: float
    messages: str
    left: list[str]  # names of the files in the folder afterwards

    @property
    def problem(self) -> str:
        """Return what is wrong, "" for a right outcome."""
        if self.seconds > LIMIT:
            return f"longer than {LIMIT:g} s"
        if "Traceback" in self.messages or "AVFER_DEBUG" in self.messages:  # as in errors.describe_unexpected
            return "a traceback or an unexpected error"
        if self.code not in {0, 2, 3}:
            return f"exit code {self.code}"
        if self.code == 3 and "avfer:" not in self.messages and "{" not in self.messages:
            return "exit code 3 without a reason"
        if any(Path(name).name == CANARY for name in self.left):
            return "code was run"
        if any(name.endswith(".part") or ".part." in name for name in self.left):
            return "a temporary file is left"
        return ""


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
    real, others = _real_options("aver"), ["use", "boxes", "x.y", "boxes.use", "boxes.from", ""]
    base = ["run", "aver", "--input", CLIP, "--output", "out", "--device", "cpu", "--quiet"]
    while True:
        value = rng.choice([_value(rng), f"{rng.uniform(-2, 2) * 10 ** rng.randrange(-3, 6):.4g}"])
        key = rng.choice(real if rng.random() < 0.8 else others)
        words = [*base, "--set", value if rng.random() < 0.1 else f"{key}={value}"]
        if rng.random() < 0.15:
            words = [*base, rng.choice(["--format", "--device", "--output", "--input"]), value]
        if rng.random() < 0.1:
            words = ["corpora", "check", value, rng.choice([".", f"touch {CANARY}"])]
        yield Case([word.replace("\0", "") for word in words])


def _real_options(name: str) -> list[str]:
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


def _value(rng: random.Random) -> str:
    """Return a value of VALUES, or a few random characters."""
    if rng.random() < 0.85:
        return rng.choice(VALUES)
    return "".join(rng.choice("ab01 .:,-[]{}&*!|>'\"%@#\té\u2028\ud83d") for _ in range(rng.randrange(1, 12)))


def mutate_text(rng: random.Random, text: str) -> str:
    """Return YAML with one change: of a value, a key, a line, a character or the whole layout."""
    lines = text.splitlines() or [""]
    number = rng.randrange(len(lines))
    line, value = lines[number], _value(rng)
    kind = rng.choice(
        ["value", "value", "value", "flow", "flow", "key", "drop", "repeat", "insert", "cut", "character", "end"]
    )
    if kind == "value" and ":" in line:
        lines[number] = f"{line.partition(':')[0]}: {value}"
    elif kind == "flow" and ": " in line:
        parts = line.split(": ")
        chosen = rng.randrange(1, len(parts))
        old = parts[chosen]
        end = min((old.index(sign) for sign in ",}" if sign in old), default=len(old))
        parts[chosen] = value + old[end:]
        lines[number] = ": ".join(parts)
    elif kind == "key" and ":" in line:
        lines[number] = f"{line[: len(line) - len(line.lstrip())]}{value}:{line.partition(':')[2]}"
    elif kind == "drop":
        del lines[number]
    elif kind == "repeat":
        lines.insert(number, line)
    elif kind == "insert":
        lines.insert(
            number, f"{rng.choice(['', '  '])}{rng.choice(['x', 'chunk', 'threads', 'output', 'use'])}: {value}"
        )
    elif kind == "cut":
        return text[: rng.randrange(len(text) + 1)]
    elif kind == "character" and text:
        place = rng.randrange(len(text))
        return text[:place] + rng.choice("\0\t\r\x07{}[]&*!|>'\"%@`:#,-?\ufeff\u2028é") + text[place + 1 :]
    else:
        lines.append(value)
    return "\n".join(lines) + "\n"


def mutate_cells(rng: random.Random, text: str) -> str:
    """Return a table with one cell, line or separator changed."""
    rows = [row.split(",") for row in text.split("\n")]
    row = rng.choice(rows)
    kind = rng.choice(["cell", "cell", "add", "drop", "repeat", "empty"])
    if kind == "cell":
        row[rng.randrange(len(row))] = rng.choice(
            [_value(rng), "a\0b", '"', "\ud800", "../../x", "/etc/passwd", "x" * 400]
        )
    elif kind == "add":
        row.append(_value(rng))
    elif kind == "drop":
        row.pop()
    elif kind == "repeat":
        rows.append(list(row))
    else:
        rows = []
    return "\n".join(",".join(cells) for cells in rows)


def mutate_bytes(rng: random.Random, data: bytes, head: bool = False) -> bytes:
    """Return bytes with some changed, cut off, or inserted. head: only the first 2,000 are changed."""
    data, stop = bytearray(data or b"\0"), max(1, min(len(data), 2000) if head else len(data))
    kind = rng.choice(["flip", "flip", "cut", "insert", "zeros", "length"])
    place = rng.randrange(stop)
    if kind == "flip":
        for _ in range(rng.choice([1, 3, 20])):
            data[rng.randrange(stop)] = rng.randrange(256)
    elif kind == "cut":
        del data[place:]
    elif kind == "insert":
        data[place:place] = rng.randbytes(rng.choice([1, 8, 100]))
    elif kind == "zeros":
        data[place : place + 64] = bytes(64)
    else:
        data[:8] = rng.choice([2**63, 2**40, 0, len(data) + 1]).to_bytes(8, "little")
    return bytes(data)


def evil_pickle(rng: random.Random) -> bytes:
    """Return a pickle that leaves the canary behind if it is loaded without restriction."""
    module, name, argument = rng.choice([
        ("os", "system", f"touch {CANARY}"), ("posix", "system", f"touch {CANARY}"), ("builtins", "exec", RUN),
        ("subprocess", "getoutput", f"touch {CANARY}"), ("torch.hub", "load", CANARY), ("runpy", "run_path", CANARY),
    ])  # fmt: skip
    call = f"c{module}\n{name}\n(V{argument}\ntR."
    return rng.choice([call, f"(dVstate_dict\n{call[:-1]}s."]).encode()


def archive(rng: random.Random) -> bytes:
    """Return a checkpoint of torch, sound or damaged."""
    import torch

    tensors = {f"layer{i}.weight": torch.zeros(rng.choice([0, 1, 3]), 2) for i in range(rng.randrange(4))}
    content = rng.choice([tensors, {"state_dict": tensors}, [tensors], {"x": {}}, 7, {"model": "x"}])
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=rng.random() < 0.7)
    return mutate_bytes(rng, file.getvalue(), head=True) if rng.random() < 0.7 else file.getvalue()


def run_case(case: Case, clip: bytes, folder: Path) -> Outcome:
    """Run a command in a forked process, in this empty folder."""
    for name, data in {CLIP: clip, **case.files}.items():
        (folder / name).write_bytes(data)
    log = folder.with_suffix(".log")
    start = time.monotonic()
    child = os.fork()
    if not child:
        _run_and_exit(case.words, folder, log)
    code = _wait(child, start + LIMIT + 5)
    left = [str(path.relative_to(folder)) for path in folder.rglob("*")]
    return Outcome(code, time.monotonic() - start, log.read_text(errors="replace"), left)


def _run_and_exit(words: list[str], folder: Path, log: Path) -> None:
    """Run the command line in this (forked) process and end it."""
    os.setsid()
    os.chdir(folder)
    with log.open("w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    code = 99
    try:
        from avfer.cli import main

        main(words)
    except SystemExit as exited:
        code = int(exited.code or 0)
    except BaseException as error:
        print(f"Traceback: {type(error).__name__}: {error}", file=sys.stderr)
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _wait(child: int, deadline: float) -> int:
    """Return the exit code of a process; kill it and its children at the deadline."""
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def fuzz(kind: str, count: int, seed: int, wrong: Path | None = None) -> tuple[Counter[int], list[str]]:
    """Run cases of a kind; return how often each exit code came, and a line for each wrong outcome."""
    cases, clip = KINDS[kind][0](random.Random(f"{kind} {seed}")), _clip()
    codes: Counter[int] = Counter()
    problems: list[str] = []
    for number, case in zip(range(count), cases, strict=False):
        with tempfile.TemporaryDirectory(prefix="avfer-fuzz-") as scratch:
            folder = Path(scratch) / "case"
            folder.mkdir()
            outcome = run_case(case, clip, folder)
            codes[outcome.code] += 1
            if not outcome.problem:
                continue
            last = outcome.messages.strip().splitlines()[-1:] or [""]
            problems.append(f"{kind} {number}: {outcome.problem}: {last[0][:300]} <- {' '.join(case.words)[:300]}")
            print(problems[-1], file=sys.stderr, flush=True)
            if wrong is not None:
                kept = wrong / f"{kind}-{number}"
                shutil.copytree(folder, kept, dirs_exist_ok=True)
                (kept / "outcome.txt").write_text(f"{case.words}\n{outcome.messages}", errors="backslashreplace")
    return codes, problems


def _clip() -> bytes:
    """Return a small clip of six frames with sound."""
    from tests.media_maker import stripes, tone, write_clip

    with tempfile.TemporaryDirectory() as folder:
        return write_clip(Path(folder) / CLIP, stripes(6), sound=tone(0.24)).read_bytes()


def warm_up() -> None:
    """Import what the commands import, so that a forked process starts at once; nothing is computed."""
    import avfer.cli
    import avfer.evaluation.scoring
    import avfer.labelling.label_corpus
    import avfer.models.checkpoint_import
    import avfer.pipeline
    import avfer.training.train_model  # noqa: F401
    from avfer.catalog import NAMES, find

    for kind in NAMES:
        for name in NAMES[kind]:
            find(kind, name)


def main() -> None:
    """Run the kinds of the command line and print a JSON object with all numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default=",".join(KINDS), help="of cases, with commas")
    parser.add_argument("--share", type=float, default=1.0, help="of the full counts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--wrong", type=Path, help="folder for wrong cases")
    chosen = parser.parse_args()
    warm_up()
    summary: dict[str, dict[str, object]] = {}
    for kind in chosen.kinds.split(","):
        start, count = time.monotonic(), max(1, round(KINDS[kind][1] * chosen.share))
        codes, problems = fuzz(kind, count, chosen.seed, chosen.wrong)
        seconds = round(time.monotonic() - start)
        summary[kind] = {"cases": count, "codes": dict(sorted(codes.items())), "wrong": problems, "seconds": seconds}
    print(json.dumps(summary, indent=1, ensure_ascii=False))
    sys.exit(1 if any(numbers["wrong"] for numbers in summary.values()) else 0)


if __name__ == "__main__":
    main()
