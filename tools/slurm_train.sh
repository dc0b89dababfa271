#!/usr/bin/env bash
# Trains CONFIG under slurm, one task per GPU.
#
#   [GPUS=8] [GPUS_PER_NODE=8] [CPUS_PER_TASK=5] [SRUN_ARGS=...] \
#       bash tools/slurm_train.sh PARTITION JOB CONFIG WORK_DIR [tools/train.py arguments]
#
# Two jobs on one machine need different ports: MASTER_PORT=29501. Inside of a batch job (sbatch --requeue
# --signal=B:USR1@120, with this script as its last line) a training that was asked to stop is queued again, and resumes.
set -euo pipefail
if (($# < 4)); then
    echo "usage: $0 PARTITION JOB CONFIG WORK_DIR [tools/train.py arguments]" >&2
    exit 2
fi
PARTITION="$1" JOB="$2" CONFIG="$3" WORK_DIR="$4"
shift 4
GPUS="${GPUS:-8}"
GPUS_PER_NODE="${GPUS_PER_NODE:-$((GPUS < 8 ? GPUS : 8))}"
read -ra SRUN_ARGS <<<"${SRUN_ARGS:-}"

((${SLURM_RESTART_COUNT:-0} > 0)) && set -- "$@" --resume auto
status=0
trap 'kill -USR1 "$!"' USR1 TERM
srun --partition "$PARTITION" --job-name "$JOB" \
    --ntasks "$GPUS" --ntasks-per-node "$GPUS_PER_NODE" --gres "gpu:$GPUS_PER_NODE" \
    --cpus-per-task "${CPUS_PER_TASK:-5}" --kill-on-bad-exit 1 "${SRUN_ARGS[@]}" \
    "${PYTHON:-python}" -u "$(dirname "${BASH_SOURCE[0]}")/train.py" "$CONFIG" --work-dir "$WORK_DIR" \
    --launcher slurm "$@" &
while :; do
    wait "$!" && status=0 || status=$?
    kill -0 "$!" 2>/dev/null || break
done
if ((status == 75)) && [[ -n "${SLURM_JOB_ID:-}" ]]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
