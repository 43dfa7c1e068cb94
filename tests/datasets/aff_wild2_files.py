"""Write label files and pictures of Aff-Wild2."""

from pathlib import Path

from tests.datasets.on_disk import empty, text

EIGHT = "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other"
TWELVE = "AU1,AU2,AU4,AU6,AU7,AU10,AU12,AU15,AU23,AU24,AU25,AU26"
VA = ("valence,arousal", "0.123,-0.5", "-5,-5", "-5,0.4", "0.2,-5", "1,-1")
VA_SET = "VA_Estimation_Challenge/Train_Set"


def va(root: Path, name: str = "video1", lines: tuple[str, ...] = VA, folder: str = VA_SET, **how: str) -> Path:
    """Write the label file of a video and return its path."""
    return text(root / folder / f"{name}.txt", *lines, **how)


def images(root: Path, name: str, *numbers: int, folder: str = "cropped_aligned") -> None:
    """Create the pictures of a video, which are numbered from 1."""
    empty(*(root / folder / name / f"{number:05d}.jpg" for number in numbers))
