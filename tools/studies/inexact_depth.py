"""Study 4: when does the depth adaptor help? Models with it and without, on depth of growing inexactness."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.threedgp.errors import user_errors
from projects.threedgp.studies.inexact_depth import main

if __name__ == "__main__":
    with user_errors():
        main()
