#!/usr/bin/env bash
# The Swift lane: MobileKitCore built and tested, its sources and the app's linted, the app type-checked against
# stubs, the colouring timed, a report written by Swift and recomputed by Python. Needs no Mac: see swift_chroot.sh.
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
python=${PYTHON:-$repository/.venv/bin/python}
[[ -x $python ]] || python=python3
package=/repo/apps/ios/Packages/MobileKitCore
build=/cache/build
least_coverage=95
most_colouring_ms=3
failed=0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

inside() {
    "$here/swift_chroot.sh" run "cd $package && $1"
}

# Run one check; on failure show the end of what it said.
check() {
    local name=$1 log=$work/log
    shift
    if "$@" >"$log" 2>&1; then
        echo "swift: $name: passed$(sed -n 's/^=> / (/p' "$log" | tail -n 1 | sed '/./s/$/)/')"
    else
        echo "swift: $name: FAILED"
        grep -aE 'error:|✘|=> |warning:' "$log" | cut -c1-300 | head -n 30 >"$work/short"
        [[ -s $work/short ]] || tail -n 30 "$log" | cut -c1-300 >"$work/short"
        cat "$work/short"
        failed=1
    fi
}

tests() {
    inside "swift test --quiet --scratch-path $build --enable-code-coverage" || return 1
}

coverage() {
    local json share
    json=$(inside "cat $build/debug/codecov/MobileKitCore.json") || return 1
    share=$("$python" -c '
import json, sys
files = [one for one in json.load(sys.stdin)["data"][0]["files"] if "/Sources/MobileKitCore/" in one["filename"]]
lines = [one["summary"]["lines"] for one in files]
count, covered = sum(one["count"] for one in lines), sum(one["covered"] for one in lines)
for one in sorted(files, key=lambda one: one["summary"]["lines"]["percent"])[:5]:
    name, part = one["filename"].rsplit("/", 1)[1], one["summary"]["lines"]["percent"]
    sys.stderr.write(f"{name}: {part:.1f} %\n")
print(f"{100 * covered / count:.2f}" if count else "0")
' <<<"$json") || return 1
    echo "=> $share % of lines, at least $least_coverage"
    "$python" -c "import sys; sys.exit($share < $least_coverage)"
}

# A stub says what the app uses of a framework of Apple's; the app is read in Swift 6, the stubs are not.
types() {
    inside '
        set -e
        cd /repo/apps/ios
        modules=/cache/stubs
        rm -rf $modules && mkdir -p $modules
        for name in $(cat Stubs/order.txt); do
            swiftc -emit-module -parse-as-library -swift-version 5 -suppress-warnings -module-name $name \
                -I $modules -emit-module-path $modules/$name.swiftmodule Stubs/$name.swift
        done
        flags="-I $modules -I '"$build"'/debug/Modules -parse-as-library -enable-testing -swift-version 6"
        flags="$flags -warnings-as-errors"
        swiftc -emit-module -module-name MobileKitDemo $flags \
            -emit-module-path $modules/MobileKitDemo.swiftmodule $(find MobileKitDemo -name "*.swift" | sort)
        swiftc -typecheck -module-name MobileKitDemoTests $flags $(find MobileKitDemoTests -name "*.swift" | sort)
        echo "=> $(find MobileKitDemo MobileKitDemoTests -name "*.swift" | wc -l) files"
    '
}

lint() {
    inside 'cd /repo/apps/ios && swift format lint --strict --recursive --configuration .swift-format \
        MobileKitDemo MobileKitDemoTests Packages/MobileKitCore/Sources Packages/MobileKitCore/Tests \
        Packages/MobileKitCore/Package.swift'
}

release() {
    inside "swift build --quiet --scratch-path $build -c release --product mk-colouring &&
        swift build --quiet --scratch-path $build -c release --product mk-report"
}

colouring() {
    local said worst
    said=$(inside "$build/release/mk-colouring") || return 1
    worst=$(awk '/^colouring/ { if ($3 > most) most = $3 } END { print most }' <<<"$said")
    echo "=> $(tr '\n' ';' <<<"$said" | sed 's/;$//; s/;/; /; s/colouring //g'), median of 256×256×10, at most $most_colouring_ms ms"
    "$python" -c "import sys; sys.exit(not 0 < float('${worst:-0}') <= $most_colouring_ms)"
}

# Every list of samples among the shared vectors becomes a report, which Python recomputes.
reports() {
    local exchange=${XDG_CACHE_HOME:-$HOME/.cache}/mobilekit-lanes/swift-build/exchange count
    rm -rf "$exchange" && mkdir -p "$exchange"
    "$python" - "$repository/apps/testdata/statistics.json" "$exchange" <<'END' || return 1
import json, pathlib, sys
for number, case in enumerate(json.loads(pathlib.Path(sys.argv[1]).read_text())):
    pathlib.Path(sys.argv[2], f"{number}.samples.json").write_text(json.dumps(case["samples_ns"]))
END
    inside "for samples in /cache/exchange/*.samples.json; do
        $build/release/mk-report \$samples \${samples%.samples.json}.json || exit 1
    done" || return 1
    count=0
    for samples in "$exchange"/*.samples.json; do
        "$python" "$here/check_report.py" "${samples%.samples.json}.json" "$samples" || return 1
        count=$((count + 1))
    done
    rm -f "$exchange"/*.samples.json
    "$python" -m mobilekit report "$exchange" --out "$work/report.html" || return 1
    echo "=> $count reports, recomputed by Python"
    [[ $count -ge 9 ]]
}

reason=$("$here/swift_chroot.sh" 2>&1 >/dev/null)
case $? in
0) ;;
3)
    echo "swift: SKIPPED (${reason##*$'\n'})"
    exit 0
    ;;
*)
    echo "$reason"
    echo "swift: failed"
    exit 1
    ;;
esac

check "build and tests" tests
check "coverage of MobileKitCore" coverage
check "types of the app, against stubs" types
check "format" lint
check "release build" release
check "colouring, one thread" colouring
check "reports" reports

if ((failed)); then
    echo "swift: failed"
    exit 1
fi
echo "swift: passed"
