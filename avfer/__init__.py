"""avfer: continuous affect from video with sound, one row per real frame."""

__version__ = "0.1.0"
