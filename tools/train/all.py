"""Rebuild all embedded weights: `python -m tools.train.all SHARED_DATA OUT [--only STEP ...] [--list]`.

SHARED_DATA is the folder with clips, faces, face_landmarker, ferplus, ict_facekit, speech and vocal_bursts.
Checkpoints, crops and features go to OUT; weights and cards go to avfer/builtin, or to `--folder`. The steps run in
order, each by the modules that also run alone. A step that finished is skipped unless a file it reads has changed
since, so that a new aver_lite leads to new heads; a step that was interrupted continues from its last checkpoint.
OUT/finished holds a record for each finished step; remove it to run the step again. `--list` prints the steps and runs
nothing.
"""

import argparse
import hashlib
import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from avfer.atomic import atomic_rename
from avfer.models.card_files import BUILTIN

ROOT = Path(__file__).parents[2]  # of the checkout


@dataclass(frozen=True)
class Step:
    """Commands that write some files from the data and from the files of earlier steps."""

    name: str
    commands: tuple[tuple[str, ...], ...]  # each a module and its arguments
    reads: tuple[Path, ...] = ()  # files and folders that earlier steps write
    writes: tuple[Path, ...] = ()


class StepError(Exception):
    """A step that cannot run, or that failed."""


def steps(data: Path, out: Path, folder: Path, threads: int) -> tuple[Step, ...]:
    """Return the steps in the order in which they run.

    data, out, folder: as in the description of this module; threads: of torch.
    """
    ferplus, bursts, ravdess = (str(data / name) for name in ("ferplus", "vocal_bursts", "speech/ravdess"))
    clips, faces, features = str(data / "clips"), str(data / "faces" / "faces.npz"), str(out / "features")
    crops, crop_folder = str(out / "crops"), out / "crops"
    face_lite = str(folder / "face_lite.safetensors")
    here, several = ("--folder", str(folder)), ("--threads", str(threads))
    shared = ("--data", str(data))

    def weights(*names: str) -> tuple[Path, ...]:
        return tuple(folder / f"{name}.safetensors" for name in names)

    def runs(name: str) -> str:
        return str(out / name)

    def make_crops(*arguments: str) -> tuple[str, ...]:
        return ("tools.train.face_measures_data", crops, *arguments, *shared)

    kinds = ("faces", "ferplus_train", "ferplus_valid", "ferplus_test", "renders", "sweeps")
    return (
        Step(
            "aver_lite",
            (
                ("tools.train.face", ferplus, runs("face"), *several),
                ("tools.train.export_face", ferplus, runs("face"), *here),
            ),
            writes=weights("aver_lite"),
        ),
        Step(
            "identity_lite",
            (
                ("tools.train.identity", faces, runs("identity"), *several),
                ("tools.train.identity", faces, runs("identity"), "--export", *here),
            ),
            writes=weights("identity_lite"),
        ),
        Step("crops_faces", (make_crops("faces"),), writes=(crop_folder / "faces",)),
        Step(
            "crops_ferplus",
            (make_crops("ferplus"),),
            writes=tuple(crop_folder / name for name in kinds if name.startswith("ferplus")),
        ),
        Step(
            "crops_renders",
            (make_crops("renders", "--shards", "0", "40"), make_crops("renders", "--shards", "9000", "9001")),
            writes=(crop_folder / "renders",),
        ),
        Step("crops_sweeps", (make_crops("sweeps"),), writes=(crop_folder / "sweeps",)),
        Step(
            "face_lite",
            (
                ("tools.train.face_measures", crops, runs("measures"), "--steps", "38000", *shared, *several),
                ("tools.train.export_face_measures", crops, runs("measures"), face_lite, *shared),
                ("tools.train.face_visibility", crops, face_lite, *several),
            ),
            reads=tuple(crop_folder / name for name in kinds),
            writes=weights("face_lite"),
        ),
        Step(
            "vggish_lite",
            (("tools.train.voice", ravdess, runs("voice"), *here, *several),),
            writes=weights("vggish_lite"),
        ),
        Step("prosody", (("tools.train.prosody", clips, ravdess, *here),), writes=weights("prosody")),
        Step(
            "voice_lite",
            (("tools.train.voice_affect", bursts, features, *here),),
            writes=weights("voice_lite", "prosody_pitch"),
        ),
        Step(
            "voice_lite.research",
            (("tools.train.voice_affect", bursts, features, "--ravdess", ravdess, *here),),
            reads=weights("vggish_lite"),
            writes=weights("voice_lite.research"),
        ),
        Step(
            "linear_lite",
            (("tools.train.linear", ferplus, features, *here, *several),),
            reads=weights("aver_lite", "face_lite"),
            writes=weights("linear_lite"),
        ),
        Step(
            "gru_lite",
            (
                ("tools.train.fusion", ferplus, bursts, features, *here, *several),
                ("tools.bench.voice", ravdess, bursts, features, "--write", *here),
                ("tools.bench.fusion", ferplus, ravdess, bursts, features, "--write", *here),
            ),
            reads=weights("aver_lite", "face_lite", "voice_lite", "linear_lite"),
            writes=weights("gru_lite"),
        ),
        Step(
            "gru_lite.research",
            (
                ("tools.train.fusion", ferplus, ravdess, features, "--research", *here, *several),
                ("tools.bench.fusion", ferplus, ravdess, bursts, features, "--research", "--write", *here),
            ),
            reads=weights("aver_lite", "face_lite", "voice_lite.research", "linear_lite"),
            writes=weights("gru_lite.research"),
        ),
        Step(
            "temperature",
            (("tools.train.temperature", ferplus, *here, *several),),
            reads=weights("aver_lite", "face_lite", "linear_lite", "gru_lite", "gru_lite.research"),
        ),
    )


def fingerprint(path: Path) -> str:
    """Return the sha256 of a file, or of the names and sizes of the files of a folder; "" if there is neither."""
    if path.is_dir():
        listing = [(one.name, one.stat().st_size) for one in sorted(path.iterdir())]
        return hashlib.sha256(json.dumps(listing).encode()).hexdigest()
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


class Records:
    """Which steps have finished, and what they read: a file for each in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def finished(self, step: Step) -> bool:
        """Return whether a step finished, what it wrote still exists, and what it read is the same."""
        path = self._folder / f"{step.name}.json"
        if not path.exists() or not all(one.exists() for one in step.writes):
            return False
        return json.loads(path.read_text()) == self._content(step)

    def write(self, step: Step) -> None:
        """Record that a step finished."""
        with atomic_rename(self._folder / f"{step.name}.json") as part:
            part.write_text(json.dumps(self._content(step), indent=2))

    def remove(self, step: Step) -> None:
        """Remove the record of a step, if there is one."""
        (self._folder / f"{step.name}.json").unlink(missing_ok=True)

    @staticmethod
    def _content(step: Step) -> dict[str, str]:
        return {one.name: fingerprint(one) for one in step.reads}


def run(step: Step, plan: tuple[Step, ...], records: Records) -> None:
    """Run the commands of a step, unless it finished already.

    The records of the steps that read its files are removed first, as these have to run again even if the weights come
    out the same, because the cards do not. Raises StepError if a file that the step reads is missing, if a command
    fails, or if it did not write its files.
    """
    if records.finished(step):
        print(f"{step.name}: finished earlier", flush=True)
        return
    for path in step.reads:
        if not path.exists():
            maker = next(one.name for one in plan if path in one.writes)
            raise StepError(f"{step.name}: reads {path}, which does not exist; run the step {maker} first")
    for one in plan:
        if one is step or set(one.reads) & set(step.writes):
            records.remove(one)
    for command in step.commands:
        print(f"{step.name}: python -m {' '.join(command)}", flush=True)
        code = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=False).returncode
        if code:
            raise StepError(f"{step.name}: {command[0]} ended with exit code {code}; run again to continue")
    for path in step.writes:
        if not path.exists():
            raise StepError(f"{step.name}: did not write {path}")
    records.write(step)


def main() -> None:
    """Run the steps."""
    names = [step.name for step in steps(Path(), Path(), Path(), 1)]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, metavar="SHARED_DATA")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for checkpoints, crops and features")
    parser.add_argument("--folder", type=Path, default=BUILTIN, help="folder for weights and cards")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="STEP", help=", ".join(names))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--list", action="store_true", help="print the steps, run nothing")
    options = parser.parse_args()
    data, out, folder = (path.resolve() for path in (options.data, options.out, options.folder))
    plan, records = steps(data, out, folder, options.threads), Records(out / "finished")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # which also ends the command that runs
    for step in plan:
        if options.list:
            print(f"{step.name:20} {'finished' if records.finished(step) else 'to do'}")
        elif step.name in options.only:
            try:
                run(step, plan, records)
            except StepError as error:
                sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
