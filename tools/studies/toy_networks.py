"""Trains the three small networks that the studies on procedural scenes need."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.threedgp.errors import user_errors
from projects.threedgp.studies.toy_networks import main

if __name__ == "__main__":
    with user_errors():
        main()
