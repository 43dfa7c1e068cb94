"""Twins: small corpora in the layout of licensed ones, whose truth is known."""
