#!/usr/bin/env bash
# Retrain linear_lite and gru_lite after a face or voice network in avfer/builtin has changed:
#   tools/train/all_heads.sh FERPLUS_FOLDER RAVDESS_FOLDER [THREADS]
# Features are cached in runs/features by the sha256 of the network, so a second run takes minutes.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
faces=$1 voices=$2 threads=${3:-2}
"$python" -m tools.train.linear "$faces" runs/features --threads "$threads"
"$python" -m tools.train.fusion "$faces" "$voices" runs/features --threads "$threads"
