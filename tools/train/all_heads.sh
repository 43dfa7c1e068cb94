#!/usr/bin/env bash
# Retrain linear_lite and gru_lite for the face and voice networks that lie in avfer/builtin, after one of them changed:
#   tools/train/all_heads.sh FERPLUS_FOLDER RAVDESS_FOLDER [THREADS]
# Features are kept in runs/features by the sha256 of the network, so that a second run takes minutes.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
faces=$1 voices=$2 threads=${3:-2}
"$python" -m tools.train.linear "$faces" runs/features --threads "$threads"
"$python" -m tools.train.fusion "$faces" "$voices" runs/features --threads "$threads"
