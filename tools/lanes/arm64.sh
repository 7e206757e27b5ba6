#!/usr/bin/env bash
# The exported files on emulated ARM64 processors against this one: `arm64: passed`, `failed` or `SKIPPED (reason)`.
set -uo pipefail
cd "$(dirname "$0")/../.."

python="${PYTHON:-.venv/bin/python}"
said="$(mktemp)"
trap 'rm -f "$said"' EXIT
machine="$(tools/lanes/arm64_machine.sh "$python" 2>"$said")"
made=$?
if [ "$made" = 3 ]; then
  echo "arm64: SKIPPED ($(tail -1 "$said"))"
elif [ "$made" = 0 ] && "$python" tools/lanes/arm64.py "$machine"; then
  echo "arm64: passed"
else
  [ "$made" = 0 ] || tail -5 "$said"
  echo "arm64: failed"
  exit 1
fi
