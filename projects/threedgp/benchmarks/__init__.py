"""How long the parts of a training step and of a rendering take, and how much memory (tools/benchmark.py)."""
