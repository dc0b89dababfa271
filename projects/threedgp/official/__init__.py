"""Checkpoints of the official release, in and out."""
