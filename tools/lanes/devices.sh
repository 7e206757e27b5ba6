#!/usr/bin/env bash
# `mobilekit profile --device` against stand-ins of phones: `devices: passed`, `failed` or `SKIPPED (reason)`.
set -uo pipefail
cd "$(dirname "$0")/../.."

python="${PYTHON:-.venv/bin/python}"
said="$(mktemp)"
trap 'rm -f "$said"' EXIT
if ! command -v adb >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  { apt-get -qq update && apt-get -qq -y --no-install-recommends install adb; } >/dev/null 2>&1
fi
if ! command -v adb >/dev/null; then
  echo "devices: SKIPPED (needs adb)"
  exit
fi
machine="$(tools/lanes/arm64_machine.sh "$python" 2>"$said")"
made=$?
if [ "$made" = 3 ]; then
  echo "devices: SKIPPED ($(tail -1 "$said"))"
elif [ "$made" = 0 ] && "$python" tools/lanes/devices.py "$machine"; then
  echo "devices: passed"
else
  [ "$made" = 0 ] || tail -5 "$said"
  echo "devices: failed"
  exit 1
fi
