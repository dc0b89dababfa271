"""Tests; a package of its own, since others install a package of this name."""
