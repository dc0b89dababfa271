"""Experiments that prove claims; run by the commands of tools/studies."""
