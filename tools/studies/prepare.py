"""Makes all that the studies need: scenes, depth of other inexactness, networks, the teacher's features."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.threedgp.errors import user_errors
from projects.threedgp.studies.prepare import main

if __name__ == "__main__":
    with user_errors():
        main()
