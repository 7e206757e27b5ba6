#!/usr/bin/env bash
# The Android app's real manifest and resources, compiled and linked by Debian 13's aapt2 against Android's framework.
#
# Nothing is installed: packages are unpacked in the user's cache and aapt2 runs with its own libraries.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

cache=${XDG_CACHE_HOME:-$HOME/.cache}/mobilekit-lanes
app=apps/android/app
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
root=$cache/aapt2-debian13

skip() {
    echo "aapt2: SKIPPED ($1)"
    exit 0
}

# An apt of its own, which knows Debian 13 and takes nothing for installed.
download() {
    local apt=$scratch/apt
    mkdir -p "$apt/lists/partial" "$apt/archives/partial"
    : >"$apt/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main" \
        >"$apt/sources.list"
    cat >"$apt/apt.conf" <<CONF
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Sandbox::User "$(id -un)";
APT::Install-Recommends "false";
Acquire::Languages "none";
Dir::State "$apt";
Dir::State::status "$apt/status";
Dir::Cache "$apt";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
CONF
    apt-get -c "$apt/apt.conf" -qq update &&
        apt-get -c "$apt/apt.conf" -qq -y --download-only install aapt android-framework-res
}

# Moved into the cache whole, so that an interrupted download is never taken for ready.
get_aapt2() {
    local package
    [ -d "$root" ] && return
    [ "$(uname -sm)" = "Linux x86_64" ] || skip "needs Linux on x86_64, this is $(uname -sm)"
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || skip "needs apt-get and dpkg-deb"
    download >"$scratch/log" 2>&1 || skip "Debian 13's aapt2 cannot be had: $(tail -n 1 "$scratch/log")"
    mkdir -p "$cache" "$scratch/root"
    for package in "$scratch"/apt/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$scratch/root" \
            --wildcards './usr/lib*' './lib*' './usr/bin/aapt2' './usr/share/android-framework-res' 2>/dev/null
    done
    [ -n "$(find "$scratch/root" -name aapt2 -type f)" ] && [ -n "$(find "$scratch/root" -name framework-res.apk)" ] || {
        echo "aapt2: failed (Debian 13's packages hold no aapt2, or no framework)"
        exit 1
    }
    mv -T "$scratch/root" "$root"
}

aapt2() {
    local libraries=$root/usr/lib/x86_64-linux-gnu
    "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries:$libraries/android:$root/usr/lib/7zip" \
        "$(find "$root/usr" -name aapt2 -type f | head -n 1)" "$@"
}

# Gradle gives the package, its name in the manifest, and the versions of the kit; aapt2 wants the package in the manifest, where Gradle forbids it.
link() {
    local framework id
    framework=$(find "$root" -name framework-res.apk | head -n 1)
    sdk() { sed -n "s/^ *$1 = \([0-9]*\)$/\1/p" $app/build.gradle.kts; }
    id=$(sed -n 's/^ *applicationId = "\(.*\)"$/\1/p' $app/build.gradle.kts)
    sed "s#<manifest #<manifest package=\"$id\" #; s#\${applicationId}#$id#" $app/src/main/AndroidManifest.xml \
        >"$scratch/AndroidManifest.xml"
    aapt2 compile --dir $app/src/main/res -o "$scratch/resources.zip" &&
        aapt2 link -I "$framework" --manifest "$scratch/AndroidManifest.xml" --min-sdk-version "$(sdk minSdk)" \
            --target-sdk-version "$(sdk targetSdk)" -o "$scratch/linked.apk" "$scratch/resources.zip"
}

# What was linked says what it should; and a misspelt attribute is found, so that the check can fail.
linked() {
    local badging manifest wanted
    badging=$(aapt2 dump badging "$scratch/linked.apk") || return 1
    for wanted in "package: name='org.mobilekit.demo'" "uses-permission: name='android.permission.CAMERA'" \
        "launchable-activity: name='org.mobilekit.demo.MainActivity'" "application-label:'MobileKit Demo'"; do
        grep -qF "$wanted" <<<"$badging" || {
            echo "the linked manifest lacks: $wanted"
            return 1
        }
    done
    manifest=$(aapt2 dump xmltree --file AndroidManifest.xml "$scratch/linked.apk") || return 1
    grep -qF "org.mobilekit.demo.reports" <<<"$manifest" || {
        echo "the linked manifest lacks the provider of shared reports"
        return 1
    }
}

refuses_mistakes() {
    sed -i 's/android:exported="true"/android:exportet="true"/' "$scratch/AndroidManifest.xml"
    if aapt2 link -I "$(find "$root" -name framework-res.apk | head -n 1)" --manifest "$scratch/AndroidManifest.xml" \
        -o "$scratch/wrong.apk" "$scratch/resources.zip" >"$scratch/refused" 2>&1 ||
        ! grep -q exportet "$scratch/refused"; then
        echo "a misspelt attribute was not found"
        return 1
    fi
}

get_aapt2
code=0
for check in link linked refuses_mistakes; do
    if "$check" >"$scratch/log" 2>&1; then
        echo "  $check: passed"
    else
        echo "  $check: FAILED"
        sed 's/^/    /' "$scratch/log"
        code=1
        break
    fi
done
[ $code = 0 ] && echo "aapt2: passed" || echo "aapt2: failed"
exit $code
