"""What the camera regularisers make of the cameras on their own, without an image."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.threedgp.errors import user_errors
from projects.threedgp.studies.regularizers import main

if __name__ == "__main__":
    with user_errors():
        main()
