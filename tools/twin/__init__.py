"""Twins: small generated corpora in the layout of licensed ones, with known ground truth."""
