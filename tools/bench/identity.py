"""Measure shot cuts, tracks, persons and dark pictures on real clips: `python -m tools.bench.identity CLIPS`.

CLIPS is a folder with index.csv (`../shared/data/clips`). Four tables are printed, each can be chosen with `--only`:

- `clips`: false cuts and tracks of every uncut clip at its own rate, 10 and 5 frames per second;
- `cuts`: cuts that are found where two clips of different persons are joined, at both rates;
- `persons`: persons in a video call whose tiles re-flow, in a dialogue with cuts, and after an absence;
- `dark`: frames whose face is found, by brightness.
"""

import argparse
import csv
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from avfer import stage as stages
from avfer.rows import concat
from avfer.signal.cuts import Change, change, thumbnail
from avfer.stages.decode import DecodeVideo
from avfer.stages.detect import DetectFaces, search
from avfer.stages.identify import IdentifyPersons
from avfer.stages.track import TrackFaces
from avfer.types import Clip, Clock, FaceTracks, FrameBatch, Span

CUT_CLIPS = ("nasa_13013.mp4", "pyfeat_face_noface.mov", "d_face_leaves_returns.mp4")  # the only ones with cuts in them
SINGLE = (  # one person each, no two alike
    "lp_d0.mp4", "lp_d13.mp4", "lp_s32.mp4", "fer_woman2.mp4", "pyfeat_WolfgangLanger_Pexels.mp4",
    "pyfeat_single_face.mp4", "ravdess_01-01-01-01-01-01-01.mp4", "carphone_pristine.mp4", "grid_bbaf2n.mpg",
    "grid_brbk7n.mpg", "grid_lbax4n.mpg", "grid_lrwp9a.mpg", "grid_sbia1a.mpg", "grid_swiz3n.mpg",
)  # fmt: skip
TILE = (270, 480)  # px, height and width of a clip in compositions
RATES = (None, 10.0, 5.0)  # frames per second; None: the clip's own
CHUNK = 64  # frames that the stages get at once


@dataclass(frozen=True)
class Film:
    """Decoded frames in memory."""

    pixels: Tensor  # (T, H, W, 3) uint8 RGB
    times: np.ndarray  # (T,) float64 s

    def thinned(self, fps: float | None) -> "Film":
        """Return the film with at most `fps` frames per second."""
        if fps is None:
            return self
        slots = np.floor(self.times * fps + 1e-3)
        keep = np.flatnonzero(np.diff(slots, prepend=-1.0) > 0)
        return Film(self.pixels[torch.from_numpy(keep)], self.times[keep])


def read(path: Path) -> Film:
    """Decode a clip."""
    stage = DecodeVideo()
    state, pixels, times = stage.start(), [], []
    for i in itertools.count():
        state, part = stage.step(state, Span(Clip(path), float(i), i + 1.0))
        if len(part.clock):
            pixels.append(part.pixels)
            times.append(part.clock.times)
        if part.clock.last:
            return Film(torch.cat(pixels), np.concatenate(times))
    raise AssertionError("unreachable")


@cache
def networks() -> tuple[DetectFaces, IdentifyPersons]:
    """Return the stages that run networks, loaded once."""
    detect, identify = DetectFaces(), IdentifyPersons()
    detect.load(torch.device("cpu"))
    identify.load(torch.device("cpu"))
    return detect, identify


def track(film: Film, **options: int) -> FaceTracks:
    """Run detection, tracking and identification over a film.   options: of TrackFaces"""
    detect, identify = networks()
    follow = TrackFaces(**options)  # pyright: ignore[reportArgumentType]
    states, parts = [stages.start(follow), stages.start(identify)], []
    count = len(film.times)
    whole = Clock(0, film.times, np.zeros(count, bool), last=True)
    for start in range(0, count, CHUNK):
        stop = min(start + CHUNK, count)
        frames = FrameBatch(whole.part(start, stop), film.pixels[start:stop])
        states[0], rows = stages.run(follow, states[0], [frames, detect(frames)])
        states[1], rows = stages.run(identify, states[1], [frames, rows])
        parts.append(rows)
    return concat(parts)


def false_cuts(film: Film) -> int:
    """Return the number of frames that count as the first of a shot, the first frame of all aside."""
    pictures = [thumbnail(picture) for picture in film.pixels]
    gaps = np.diff(film.times)
    changes = [change(a, b, gap) for a, b, gap in zip(pictures, pictures[1:], gaps, strict=False)]
    return sum(found is Change.CUT for found in changes)


def number(values: np.ndarray) -> int:
    """Return how many different values there are."""
    return len(np.unique(values))


def measure_clips(folder: Path) -> None:
    """Print false cuts, tracks and persons of every clip at every rate; clips with cuts are marked."""
    rows = [row for row in csv.DictReader((folder / "index.csv").read_text().splitlines()) if row["frames"]]
    files = [folder / row["file"] for row in rows]
    trials = folder.parent / "trials"
    files += [trials / name for name in ("pan_160x120.mp4", "webcam_5fps_vfr.mp4", "one_woman_5fps.mp4")]
    print("\n| clip | cuts found, own rate / 10 / 5 | tracks | persons |\n|---|---|---|---|")
    totals = np.zeros(3, int)
    for path in files:
        film = read(path)
        cells = []
        for fps in RATES:
            thin = film.thinned(fps)
            faces = track(thin)
            cells.append((false_cuts(thin), number(faces.track_ids), number(faces.person_ids)))
        if path.name not in CUT_CLIPS:
            totals += [cell[0] for cell in cells]
        marked = f"{path.name} (has cuts)" if path.name in CUT_CLIPS else path.name
        print(
            f"| {marked} | " + " | ".join(" / ".join(str(cell[i]) for cell in cells) for i in range(3)) + " |",
            flush=True,
        )
    print(f"\nfalse cuts in the clips without cuts: {' / '.join(map(str, totals))}")


@cache
def tile(path: Path, limit: int = 120) -> Film:
    """Return the first frames of a clip, scaled into TILE on black."""
    film = read(path)
    pixels = film.pixels[:limit].permute(0, 3, 1, 2)
    scale = min(TILE[0] / pixels.shape[2], TILE[1] / pixels.shape[3])
    size = [round(side * scale) for side in pixels.shape[2:]]
    scaled = torch.cat([F.interpolate(part, size, mode="bilinear", antialias=True) for part in pixels.split(16)])
    top, left = (TILE[0] - size[0]) // 2, (TILE[1] - size[1]) // 2
    framed = F.pad(scaled, (left, TILE[1] - size[1] - left, top, TILE[0] - size[0] - top))
    return Film(framed.permute(0, 2, 3, 1).contiguous(), film.times[:limit])


def sequence(parts: list[Tensor], fps: float) -> Film:
    """Return shots, (T, H, W, 3) each, one after another."""
    pixels = torch.cat(parts)
    return Film(pixels, np.arange(len(pixels)) / fps)


def every(film: Film, fps: float, start: float, seconds: float) -> Tensor:
    """Return the frames of a film at `fps` from `start` on; at its end it is played backwards."""
    times = start + np.arange(round(seconds * fps)) / fps
    end = float(film.times[-1])
    times = end - np.abs(times % (2 * end) - end)
    return film.pixels[torch.from_numpy(np.searchsorted(film.times, times).clip(0, len(film.times) - 1))]


def measure_cuts(folder: Path, joins: int) -> None:
    """Print the share of joins between clips at which no track goes on and, without faces, a cut is found."""
    rng = np.random.default_rng(0)
    others = ("pyfeat_no_face.mp4", "nasa_13013.mp4", "moviepy_chaplin.mp4")
    print("\n| joined clips | cuts | found | found by the picture alone |\n|---|---|---|---|")
    for name, pool in (("any two", (*SINGLE, *others)), ("two speakers before one background", SINGLE[-6:])):
        for fps in (25.0, 5.0):
            found, alone = 0, 0
            for _ in range(joins):
                shots = []
                for clip in rng.choice(len(pool), 2, replace=False):
                    film = tile(folder / pool[clip])
                    shots.append(every(film, fps, rng.uniform(0, film.times[-1]), 12 / fps))
                faces = track(sequence(shots, fps), min_length=1)
                at = len(shots[0])
                through = set(faces.track_ids[faces.frames < at]) & set(faces.track_ids[faces.frames >= at])
                picture = change(thumbnail(shots[0][-1]), thumbnail(shots[1][0]), 1 / fps) is Change.CUT
                alone += picture
                found += not through and (picture or len(faces) > 0)
            print(f"| {name}, {fps:.0f} fps | {joins} | {found / joins:.1%} | {alone / joins:.1%} |", flush=True)


def gallery(films: list[Film], fps: float, rng: np.random.Generator) -> Film:
    """Return a video call of four whose tiles change their places every 2 s; once, one person is away."""
    parts = []
    for turn in range(5):
        order = rng.permutation(4)
        tiles = [every(films[i], fps, 2.0 * turn, 2.0) for i in order]
        if turn == 2:
            tiles[3] = torch.zeros_like(tiles[3])
        rows = [torch.cat(tiles[:2], 2), torch.cat(tiles[2:], 2)]
        parts.append(torch.cat(rows, 1))
    return sequence(parts, fps)


def dialogue(films: list[Film], fps: float, turns: int = 6) -> Film:
    """Return two persons in turn, 1.6 s each, with a cut between."""
    return sequence([every(films[turn % 2], fps, 1.6 * turn, 1.6) for turn in range(turns)], fps)


def absence(film: Film, other: Film, fps: float) -> Film:
    """Return a person, 2 s of another clip without a face, and the person again."""
    return sequence([every(film, fps, 0, 2), every(other, fps, 0, 2), every(film, fps, 2.4, 2)], fps)


def scenes(folder: Path, fps: float) -> Iterator[tuple[str, int, Film]]:
    """Yield composed films with the kind of scene and the number of persons in it."""
    rng = np.random.default_rng(1)
    tiles = [tile(folder / name) for name in SINGLE]
    for _ in range(8):
        yield "gallery of four", 4, gallery([tiles[i] for i in rng.permutation(len(tiles))[:4]], fps, rng)
    for _ in range(16):
        yield "dialogue of two", 2, dialogue([tiles[i] for i in rng.permutation(len(tiles))[:2]], fps)
    for pair in itertools.combinations(tiles[-6:], 2):
        yield "dialogue before one background", 2, dialogue(list(pair), fps, turns=4)
    for film in tiles:
        yield "one, absent once", 1, absence(film, tile(folder / "pyfeat_no_face.mp4"), fps)


def measure_persons(folder: Path) -> None:
    """Print how many composed films get the right number of persons."""
    print("\n| scene | films | right number of persons | persons found |\n|---|---|---|---|")
    for fps in (25.0, 5.0):
        counts: dict[str, list[tuple[int, int]]] = {}
        for name, persons, film in scenes(folder, fps):
            counts.setdefault(name, []).append((persons, number(track(film).person_ids)))
        for name, pairs in counts.items():
            right = sum(wanted == found for wanted, found in pairs)
            print(f"| {name}, {fps:.0f} fps | {len(pairs)} | {right} | {[found for _, found in pairs]} |", flush=True)


def measure_dark(folder: Path) -> None:
    """Print in how many frames of the clips with one person its face is found, by brightness."""
    detector = networks()[0]._network  # pyright: ignore[reportPrivateUsage]
    assert detector is not None
    shares = (1.0, 0.5, 0.25, 0.12, 0.08, 0.05)
    print("\n| clip | " + " | ".join(f"{share:.0%}" for share in shares) + " |\n" + "|---" * (len(shares) + 1) + "|")
    for name in SINGLE:
        frames = read(folder / name).pixels[:60:20]
        cells = []
        for share in shares:
            dark = [(frame.float() * share).round().byte() for frame in frames]
            cells.append(sum(len(search(detector, frame, 40.0, 0.8)[1]) > 0 for frame in dark) / len(dark))
        print(f"| {name} | " + " | ".join(f"{cell:.0%}" for cell in cells) + " |", flush=True)


@torch.inference_mode()
def main() -> None:
    """Print the chosen tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--only", choices=("clips", "cuts", "persons", "dark"))
    parser.add_argument("--joins", type=int, default=100, help="joined clips per kind and rate")
    options = parser.parse_args()
    torch.set_num_threads(1)
    tables = {
        "clips": lambda: measure_clips(options.clips),
        "cuts": lambda: measure_cuts(options.clips, options.joins),
        "persons": lambda: measure_persons(options.clips),
        "dark": lambda: measure_dark(options.clips),
    }
    for name, measure in tables.items():
        if options.only in (None, name):
            measure()


if __name__ == "__main__":
    main()
