"""Readers of frames and sound: one file per library, each with iterators over one media file."""
