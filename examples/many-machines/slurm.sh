#!/usr/bin/env bash
# A sweep as an array job of Slurm:
#   mkdir -p parts
#   job=$(sbatch --parsable slurm.sh)
#   sbatch --dependency="afterok:$job" --wrap 'thimble sweep --merge parts/part-* -o sweep'
# To do some shares again: sbatch --array=3,7 slurm.sh
#SBATCH --job-name=sweep
#SBATCH --array=1-16
#SBATCH --cpus-per-task=1
#SBATCH --mem=4G
#SBATCH --time=01:00:00
#SBATCH --output=parts/%A-%a.log
set -euo pipefail
# As many as --array has. SLURM_ARRAY_TASK_COUNT would be 2 where two shares are done again.
shares=16
thimble sweep lenet5.onnx --calibrate calibration.npy --labels labels.txt \
  --shard "$SLURM_ARRAY_TASK_ID/$shares" -o "parts/part-$SLURM_ARRAY_TASK_ID"
