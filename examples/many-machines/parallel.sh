#!/usr/bin/env bash
# A sweep on all cores of this computer, with GNU parallel.
# Usage: parallel.sh SHARES FOLDER MODEL OPTIONS...
# The sweep is in FOLDER/sweep, the parts beside it.
set -euo pipefail
shares=$1
folder=$2
shift 2
mkdir -p "$folder"
parallel --quote --halt soon,fail=1 \
  thimble sweep "$@" --shard "{}/$shares" -o "$folder/part-{}" ::: $(seq "$shares")
thimble sweep --merge "$folder"/part-* -o "$folder/sweep"
