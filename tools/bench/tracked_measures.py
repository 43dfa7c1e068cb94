"""Compare the face measures of tracked faces with those of faces searched on every frame.

`python -m tools.bench.tracked_measures CLIP...` runs `vision` twice over each clip: with its defaults, which search key
frames and refine the faces between them, and with a search of every frame. It prints Pearson's r of each measure over
the frames of the main person, of all clips together, and the mean of r within clips, where the measure changes.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from avfer.pipeline import Pipeline, load

SEARCHED: dict[str, int] = {"boxes.every": 1, "boxes.calm": 1}  # options that search every frame
LIVELY = {"deg": 2.0, "share": 0.02}  # smallest standard deviation of a measure in a clip: degrees, and in [0, 1]
OTHERS = ["yaw_deg", "pitch_deg", "roll_deg", "gaze_yaw_deg", "gaze_pitch_deg", "eye_closed"]


def measures_of(pipeline: Pipeline, clip: Path) -> pd.DataFrame:
    """Return the measures of the person with most rows, by frame; columns that are null everywhere are left out."""
    table: Any = pipeline.run(clip).to_pandas()
    main = table[table["person"] == table["person"].mode().iloc[0]].drop_duplicates("frame").set_index("frame")
    units = [name for name in main.columns if name.startswith("au") and name[2:].isdigit()]
    return main[units + OTHERS].dropna(axis=1, how="all")


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return Pearson's r of two series where both are known: (N,), (N,) -> [-1, 1]."""
    known = np.isfinite(first) & np.isfinite(second)
    return float(np.corrcoef(first[known], second[known])[0, 1])


def main() -> None:
    """Run both pipelines over all clips and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each clip that are read")
    options = parser.parse_args()
    part = {"stop": options.seconds}
    tracked, searched = load("vision", device="cpu", **part), load("vision", device="cpu", **part | SEARCHED)
    pairs: list[tuple[Any, Any]] = []  # the measures of both for each clip
    for clip in options.clips:
        ours, theirs = measures_of(tracked, clip), measures_of(searched, clip)
        frames = ours.index.intersection(theirs.index)
        pairs.append((ours.loc[frames], theirs.loc[frames]))
        print(f"{clip.name}: {len(frames)} frames, searched on every frame {len(theirs)}, tracked {len(ours)}")

    print("\n| measure | r, all clips together | mean r within clips | clips |\n|---|---|---|---|")
    pooled: list[float] = []
    for name in pairs[0][0].columns:
        ours, theirs = (pd.concat([pair[i][name] for pair in pairs]).to_numpy(float) for i in (0, 1))
        pooled.append(correlation(ours, theirs))
        least = LIVELY["deg" if name.endswith("_deg") else "share"]
        lively = [(a[name].to_numpy(float), b[name].to_numpy(float)) for a, b in pairs if b[name].std() >= least]
        within = f"{np.mean([correlation(a, b) for a, b in lively]):.3f}" if lively else ""
        print(f"| {name} | {pooled[-1]:.3f} | {within} | {len(lively)} |")
    print(f"\nall clips together: mean {np.mean(pooled):.4f}, median {np.median(pooled):.4f}, least {min(pooled):.3f}")


if __name__ == "__main__":
    main()
