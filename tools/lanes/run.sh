#!/usr/bin/env bash
# All lanes of the sample apps, one after another, and a summary. `tools/lanes/run.sh [LANE…]` runs some of them.
#
# A lane prints `LANE: passed`, `LANE: failed` or `LANE: SKIPPED (reason)` as its last line; the exit code is 1 if one
# failed. What lanes download and build is kept in ${XDG_CACHE_HOME:-~/.cache}/mobilekit-lanes; two runs of one lane
# wait for each other, at most WAIT_S seconds. PYTHON is the interpreter that has mobilekit installed. With REQUIRED=1 a
# skipped lane is a failure.
set -uo pipefail
cd "$(dirname "$0")/../.."

PYTHON="$(realpath -s "${PYTHON:-.venv/bin/python}")"
export PYTHON
cache="${XDG_CACHE_HOME:-$HOME/.cache}/mobilekit-lanes"
wait_s="${WAIT_S:-1800}"
locked=74 # exit code of flock that has waited in vain
lanes=("$@")
[ ${#lanes[@]} -gt 0 ] || lanes=(swift kotlin aapt2 arm64 devices)
log="$(mktemp)"
trap 'rm -f "$log"' EXIT

# What a lane leaves running (a server of adb, of a compiler) must not hold the lock: it is closed for the lane.
run_lane() {
  local lock="$cache/.lane-$1.lock"
  if mkdir -p "$cache" && command -v flock >/dev/null; then
    flock --nonblock "$lock" true || echo "waiting for another run of this lane"
    flock --close --wait "$wait_s" --conflict-exit-code "$locked" "$lock" "tools/lanes/$1.sh"
  else
    "tools/lanes/$1.sh"
  fi
}

summary=()
code=0
for lane in "${lanes[@]}"; do
  echo "== $lane"
  start=$SECONDS
  if [ -x "tools/lanes/$lane.sh" ]; then
    run_lane "$lane" 2>&1 | tee "$log"
    ended=${PIPESTATUS[0]}
    verdict="$(grep -E "^$lane: (passed|failed|SKIPPED)" "$log" | tail -1)"
    verdict="${verdict:-$lane: failed (said nothing)}"
    if [ "$ended" = "$locked" ]; then
      verdict="$lane: failed (another run of it did not end within $wait_s s)"
    elif [ "$ended" != 0 ] && [[ $verdict != "$lane: failed"* ]]; then
      verdict="$lane: failed (exit code $ended)"
    fi
  else
    verdict="$lane: failed (no such lane)"
    echo "$verdict"
  fi
  case "$verdict" in
    "$lane: passed"*) ;;
    "$lane: SKIPPED"*) [ "${REQUIRED:-0}" = 0 ] || code=1 ;;
    *) code=1 ;;
  esac
  summary+=("$verdict, $((SECONDS - start)) s")
done

echo "== summary"
printf '%s\n' "${summary[@]}"
exit "$code"
