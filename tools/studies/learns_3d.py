"""Study 1: does it learn 3D? The full model against models that lack one of its ideas each."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.threedgp.errors import user_errors
from projects.threedgp.studies.learns_3d import main

if __name__ == "__main__":
    with user_errors():
        main()
