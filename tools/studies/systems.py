"""Study 6: the systems of the results table on procedural scenes, at equal numbers of images."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.threedgp.errors import user_errors
from projects.threedgp.studies.systems import main

if __name__ == "__main__":
    with user_errors():
        main()
