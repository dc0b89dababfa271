"""Study: what distillation costs, as the ratio of the times of a training step with it and without."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.threedgp.errors import user_errors
from projects.threedgp.studies.distillation_cost import main

if __name__ == "__main__":
    with user_errors():
        main()
