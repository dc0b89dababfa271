"""Loops, hooks and launching."""
