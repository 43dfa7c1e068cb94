#!/usr/bin/env bash
# Retrain linear_lite and gru_lite after a face or voice network in avfer/builtin has changed, and fit temperatures:
#   tools/train/all_heads.sh FERPLUS_FOLDER BURSTS_FOLDER [RAVDESS_FOLDER]
# RAVDESS_FOLDER makes the weights for research too, and measures the free ones on its speakers, who are not trained on.
# Features are cached in runs/features by the sha256 of the network, so that an interrupted run continues and a second
# one takes minutes. THREADS and PYTHON can be set.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python} threads=${THREADS:-1}
faces=$1 bursts=$2 ravdess=${3:-}
"$python" -m tools.train.linear "$faces" runs/features --threads "$threads"
"$python" -m tools.train.fusion "$faces" "$bursts" runs/features --threads "$threads"
if [ -n "$ravdess" ]; then
  "$python" -m tools.train.fusion "$faces" "$ravdess" runs/features --research --threads "$threads"
  "$python" -m tools.bench.voice "$ravdess" "$bursts" runs/features --write
fi
"$python" -m tools.train.temperature "$faces" --threads "$threads"
