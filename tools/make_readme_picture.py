"""Make the picture of the README, .github/demo.png: `python -m tools.make_readme_picture`.

It shows three frames of the demo clip with the predictions drawn on them, above the plot of the whole clip.
"""

import argparse
import io
from pathlib import Path

import av
from PIL import Image

import avfer
from avfer.export.drawing import draw_rows, rows_by_frame

ROOT = Path(__file__).parents[1]
CLIP, PICTURE = ROOT / "tests" / "data" / "demo.mp4", ROOT / ".github" / "demo.png"
TIMES = (1.0, 2.7, 4.4)  # s: neutral, smile, surprise


def main() -> None:
    """Write .github/demo.png."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    track = avfer.load("aver", device="cpu").run(CLIP)
    rows = rows_by_frame(track.to_table())
    with av.open(str(CLIP)) as source:
        frames = {
            round(frame.time, 3): (i, frame.to_ndarray(format="rgb24"))
            for i, frame in enumerate(source.decode(video=0))
        }
    pictures = []
    for time in TIMES:
        index, pixels = frames[min(frames, key=lambda t: abs(t - time))]
        pictures.append(Image.fromarray(draw_rows(pixels, rows[index])).resize((360, 360), Image.Resampling.LANCZOS))
    file = io.BytesIO()
    track.plot().savefig(file, dpi=120)
    plot = Image.open(file).convert("RGB")
    width = 360 * len(pictures)
    plot = plot.resize((width, plot.height * width // plot.width), Image.Resampling.LANCZOS)
    sheet = Image.new("RGB", (width, 360 + plot.height), "white")
    for i, picture in enumerate(pictures):
        sheet.paste(picture, (360 * i, 0))
    sheet.paste(plot, (0, 360))
    PICTURE.parent.mkdir(exist_ok=True)
    sheet.quantize(192, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
