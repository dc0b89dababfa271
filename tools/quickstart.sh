#!/usr/bin/env bash
# From an empty machine to a small trained 3DGP: installs, makes a training set, trains, evaluates and
# renders, in at most ten minutes on two CPU cores. Everything lands in work_dirs/quickstart, what --show
# renders in work_dirs/quickstart-show.
#
#   bash tools/quickstart.sh                        trains on procedural scenes
#   bash tools/quickstart.sh --show                 trains nothing, renders the model of the repository
#   bash tools/quickstart.sh PHOTOS_DIR             trains on a folder of images, nested or not
#       --depth-model NAME_OR_DIR                   ... with depth from this `transformers` model
#       --depth-nearer-larger                       ... which gives more for nearer points (DPT, MiDaS)
#   THREEDGP_NO_VENV=1                              uses the active environment, not .venv
#   THREEDGP_QUICKSTART_KIMG=N                      trains on N thousand images (4 on CPU, 100 on GPU)
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
OUT=work_dirs/quickstart
OUT_SHOW=work_dirs/quickstart-show # apart, so that no picture or metric lies beside those of another model
CONFIG=configs/3dgp_quickstart.py
SHOWN=projects/threedgp/zoo/toy32 # .py and .pth, made by tools/model_converters/slim.py
SHOWN_LABELS=(0 1 2 3 4 5 6 7)    # its classes, one after the other

# What sets the run's length and size, and what a training set without depth changes in the config.
KIMG="${THREEDGP_QUICKSTART_KIMG:-}" # thousands of images; empty: by what there is, see below
KIMG_ON_CPU=4
KIMG_ON_GPU=100
RESOLUTION=32
NUM_SCENES=1024
MAX_PHOTOS=2000
MAX_PHOTOS_WITH_DEPTH=200 # a depth model takes about a second each on CPU
SEED=0
NO_DEPTH_OPTIONS=(model.generator.depth_adaptor=None)
num_classes_options() { printf '%s\n' "model.num_classes=$1"; }

usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }

say() { printf '\n[quickstart] %s\n' "$*"; }

fail() {
    printf '[quickstart] error: %s\n' "$*" >&2
    exit 1
}

# Runs a command under a title and says how long it took.
step() {
    local title="$1" started=$SECONDS
    shift
    say "$title"
    "$@" || fail "$title: exit status $?; the messages are above"
    printf '[quickstart] %s: %d s\n' "$title" $((SECONDS - started))
}

PHOTOS="" DEPTH_MODEL="" DEPTH_FLAGS=() SHOW=""
while (($#)); do
    case "$1" in
        -h | --help)
            usage
            exit 0
            ;;
        --show) SHOW=yes ;;
        --depth-model)
            (($# > 1)) || fail "--depth-model wants a folder or a hub name"
            DEPTH_MODEL="$2"
            shift
            ;;
        --depth-nearer-larger) DEPTH_FLAGS=("$1") ;;
        --depth-model=*) DEPTH_MODEL="${1#*=}" ;;
        -*) fail "unknown option $1 (see --help)" ;;
        *)
            [[ -z "$PHOTOS" ]] || fail "one PHOTOS_DIR is wanted, got '$PHOTOS' and '$1'"
            PHOTOS="$1"
            ;;
    esac
    shift
done

# Ends here, before anything is installed, if the photos cannot be used.
check_photos() {
    local photo
    [[ -d "$PHOTOS" ]] || fail "PHOTOS_DIR '$PHOTOS' is no folder (looked from $PWD)"
    PHOTOS="$(realpath -- "$PHOTOS")"
    case "$PHOTOS/" in
        "$(realpath -m "$ROOT/$OUT")"/*) fail "PHOTOS_DIR lies in $OUT, which every run overwrites" ;;
    esac
    photo="$(find -L "$PHOTOS" -type f -regextype posix-extended \
        -iregex '.*\.(jpe?g?|jfif|mpo|a?png|webp|bmp|dib|tiff?|gif|avifs?|jp[2cfx]|j2[ck]|p[bgnp]m|pfm|qoi)' -print -quit)"
    [[ -n "$photo" ]] || fail "PHOTOS_DIR '$PHOTOS' holds no jpg, png, webp, bmp, tif, gif, avif, ... file"
}

make_data() {
    if [[ -z "$PHOTOS" ]]; then
        "$PYTHON" tools/data/make_toy_scenes.py "$OUT/data" \
            --num "$NUM_SCENES" --resolution "$RESOLUTION" --seed "$SEED"
    elif [[ -z "$DEPTH_MODEL" ]]; then
        "$PYTHON" tools/data/prepare_photos.py "$PHOTOS" "$OUT/data" \
            --resolution "$RESOLUTION" --max-images "$MAX_PHOTOS"
    else
        "$PYTHON" tools/data/prepare_photos.py "$PHOTOS" "$OUT/data" \
            --resolution "$RESOLUTION" --max-images "$MAX_PHOTOS_WITH_DEPTH" \
            --depth-model "$DEPTH_MODEL" "${DEPTH_FLAGS[@]}"
    fi
}

# Prints a key of the photos' meta.json.
meta() {
    "$PYTHON" -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' \
        "$OUT/data/meta.json" "$1"
}

# Adds to OPTIONS what the photos differ in from the procedural scenes.
adapt_to_photos() {
    local options
    mapfile -t options < <(num_classes_options "$(meta num_classes)")
    OPTIONS+=("${options[@]}")
    if [[ "$(meta has_depth)" != True ]]; then
        say "no depth: training without depth supervision (--depth-model NAME_OR_DIR adds it)"
        OPTIONS+=("${NO_DEPTH_OPTIONS[@]}")
    fi
}

# Ends here, before anything is installed, if there is nothing to show.
check_show() {
    local file
    [[ -z "$PHOTOS" ]] || fail "--show trains nothing: it takes no PHOTOS_DIR, got '$PHOTOS'"
    [[ -z "$DEPTH_MODEL" ]] || fail "--show trains nothing: it takes no --depth-model, got '$DEPTH_MODEL'"
    for file in "$SHOWN.py" "$SHOWN.pth"; do
        [[ -s "$ROOT/$file" ]] || fail "--show: no $file in $ROOT; it is part of the repository:" \
            "git checkout -- $file brings it back"
    done
}

# Renders the model of the repository.
show() {
    mkdir -p "$OUT_SHOW"
    rm -f -- "$OUT_SHOW/samples.png" "$OUT_SHOW/orbit.png" "$OUT_SHOW/orbit.mp4"
    step "rendering" "$PYTHON" tools/render.py "$SHOWN.py" "$SHOWN.pth" --out "$OUT_SHOW" \
        --labels "${SHOWN_LABELS[@]}" --orbits "${#SHOWN_LABELS[@]}"
    say "done in $((SECONDS / 60)) min $((SECONDS % 60)) s; look at:"
    printf '    %s  %s\n' \
        "$OUT_SHOW/samples.png" "samples: colour, depth, depth as the discriminator is shown it" \
        "$OUT_SHOW/orbit.mp4  " "a sample of each class seen by a moving camera, depth below" \
        "$OUT_SHOW/orbit.png  " "a few moments of that"
}

if [[ -n "$SHOW" ]]; then
    check_show
elif [[ -n "$PHOTOS" ]]; then
    check_photos
elif [[ -n "$DEPTH_MODEL" ]]; then
    fail "--depth-model goes with PHOTOS_DIR; the procedural scenes bring their depth along"
fi
[[ ! -d "$DEPTH_MODEL" ]] || DEPTH_MODEL="$(realpath -- "$DEPTH_MODEL")"
cd "$ROOT"

# One core stays free: OpenMP's threads wait actively, and where another process wants a core as well, all
# of them wait for the one that lost it, which makes small networks many times slower.
cores="$(getconf _NPROCESSORS_ONLN)"
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$((cores > 2 ? cores - 1 : 1))}"

say "installing"
PYTHON="$(bash tools/install.sh ${DEPTH_MODEL:+depth})"
printf '[quickstart] installing: %d s\n' "$SECONDS"

if [[ -n "$SHOW" ]]; then
    show
    exit
fi

mkdir -p "$OUT"
rm -rf -- "$OUT/data" "$OUT/train" "$OUT"/*.png "$OUT"/*.mp4 "$OUT"/metrics.{json,md}

step "making the training set" make_data
if [[ -z "$KIMG" ]]; then
    has_gpu="$("$PYTHON" -c 'import torch; print(int(torch.cuda.is_available()))')"
    KIMG=$((has_gpu ? KIMG_ON_GPU : KIMG_ON_CPU))
fi
OPTIONS=("train_cfg.total_kimg=$KIMG")
[[ -z "$PHOTOS" ]] || adapt_to_photos
COMMON=(--work-dir "$OUT/train" --data-root "$OUT/data/train" --cfg-options "${OPTIONS[@]}")

step "training on $KIMG thousand images" "$PYTHON" tools/train.py "$CONFIG" "${COMMON[@]}"
[[ -s "$OUT/train/last_checkpoint" ]] || fail "training left no checkpoint in $OUT/train"
CHECKPOINT="$(<"$OUT/train/last_checkpoint")"

step "evaluating" "$PYTHON" tools/test.py "$CONFIG" "$CHECKPOINT" --out "$OUT" "${COMMON[@]}"
step "rendering" "$PYTHON" tools/render.py "$CONFIG" "$CHECKPOINT" --out "$OUT" \
    --cfg-options "${OPTIONS[@]}"
step "plotting" "$PYTHON" tools/plot_logs.py "$OUT/train" --out "$OUT/curves.png"

say "done in $((SECONDS / 60)) min $((SECONDS % 60)) s; look at:"
for file in "$OUT"/*.png "$OUT"/*.mp4 "$OUT"/metrics.{md,json} "$CHECKPOINT"; do
    [[ ! -e "$file" ]] || printf '    %s\n' "$file"
done
