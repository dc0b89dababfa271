"""Study 2: does distillation speed up convergence? FID against images seen, without it, with L2, with KL."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.threedgp.errors import user_errors
from projects.threedgp.studies.convergence import main

if __name__ == "__main__":
    with user_errors():
        main()
