"""The commands of the package: `python -m projects.threedgp VERB ARGUMENTS`.

Each is a script of tools/ and takes its arguments. Where that is a config or a checkpoint, the name of one
that comes with the package will do: `python -m projects.threedgp train 3dgp_toy64 --data-root DIR`.
"""

import sys
from collections.abc import Sequence
from importlib import import_module

from projects.threedgp.packaged import with_packaged_files

VERBS = {
    "train": ("train", "train a config"),
    "test": ("test", "evaluate a checkpoint"),
    "render": ("render", "pictures and a video of a checkpoint"),
    "evaluate-folder": ("evaluate_folder", "measure images that another program made"),
    "table": ("table", "published numbers, and what was measured here"),
    "bench": ("benchmark", "how long training, rendering and loading take"),
    "plot": ("plot_logs", "curves of a training run"),
    "slim": ("model_converters.slim", "make a checkpoint small, to share it"),
    "scenes": ("data.make_toy_scenes", "make a data set of procedural scenes"),
    "photos": ("data.prepare_photos", "make a data set of a folder of photos"),
    "features": ("data.compute_features", "compute what the discriminator distils"),
    "from-official": ("model_converters.official_to_mmengine", "convert a snapshot of the release"),
    "to-official": ("model_converters.mmengine_to_official", "give weights back under the official names"),
}
CONFIG_FIRST = ("train", "test", "render", "bench", "slim", "to-official")


def usage() -> str:
    """What the commands are."""
    verbs = "\n".join(f"  {verb:<15} {summary}" for verb, (_, summary) in VERBS.items())
    return f"usage: python -m projects.threedgp VERB ARGUMENTS (VERB --help tells which)\n\n{verbs}"


def main(argv: Sequence[str] | None = None) -> int | None:
    """Run a command; 2 if there is none of that name."""
    verb, *arguments = [*(sys.argv[1:] if argv is None else argv)] or ["--help"]
    if verb in ("-h", "--help"):
        print(usage())
        return 0
    if verb not in VERBS:
        print(f"VERB: got {verb!r}, wanted one of {', '.join(VERBS)}", file=sys.stderr)
        return 2
    sys.argv[0] = f"threedgp {verb}"  # what argparse calls the program
    if verb in CONFIG_FIRST:
        arguments = with_packaged_files(arguments)
    return import_module(f"projects.threedgp.tools.{VERBS[verb][0]}").main(arguments)


if __name__ == "__main__":
    sys.exit(main())
