#!/usr/bin/env bash
# Debian 13 with Swift, for machines whose own Debian has none: made once, in the user's cache.
#
#   swift_chroot.sh            make it if it is not there; print its folder
#   swift_chroot.sh run CMD    run a bash command in it, with the repository at /repo and a cache at /cache
#
# Exit code 3 where it cannot be made here; the reason is the last line of stderr.
set -euo pipefail

repository=$(cd "$(dirname "$0")/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/mobilekit-lanes
root=$cache/debian13-swift
packages=(swiftlang libc6-dev libstdc++-14-dev git)

cannot() {
    echo "$1" >&2
    exit 3
}

check_machine() {
    [[ $(uname -s) == Linux ]] || cannot "a chroot needs Linux"
    [[ $(id -u) == 0 ]] || cannot "a chroot needs root"
    unshare -m true 2>/dev/null || cannot "this machine allows no mount namespaces"
}

# What is made lies elsewhere until it is whole, so that one that was interrupted is never taken for ready.
make_root() {
    local making=$root.making log=$cache/debian13-swift.log
    if ! command -v debootstrap >/dev/null; then
        { apt-get install -y --no-install-recommends debootstrap ||
            { apt-get update && apt-get install -y --no-install-recommends debootstrap; }; } \
            >"$log" 2>&1 || cannot "debootstrap cannot be installed (see $log)"
    fi
    rm -rf --one-file-system "$making"
    debootstrap --variant=minbase trixie "$making" >"$log" 2>&1 ||
        cannot "Debian 13 cannot be fetched (see $log)"
    unshare -m bash -c '
        mount -t proc proc "$1/proc"
        root=$1; shift
        exec chroot "$root" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y --no-install-recommends "$@"
    ' - "$making" "${packages[@]}" >>"$log" 2>&1 || cannot "Swift cannot be installed (see $log)"
    rm -rf "$making"/var/cache/apt/archives/*.deb
    mkdir -p "$making/repo" "$making/cache"
    rm -rf --one-file-system "$root"
    mv "$making" "$root"
}

run_inside() {
    mkdir -p "$cache/swift-build"
    # a namespace of its own: nothing stays mounted, whatever ends the command
    exec unshare -m bash -c '
        set -e
        mount -t proc proc "$1/proc"
        mount --bind "$2" "$1/repo"
        mount --bind "$3" "$1/cache"
        [[ -e $1/dev/null && -e $1/dev/urandom ]] || mount --rbind /dev "$1/dev"
        exec chroot "$1" env -i HOME=/root LANG=C.UTF-8 PATH=/usr/libexec/swift/bin:/usr/bin:/bin \
            bash -c "$4"
    ' - "$root" "$repository" "$cache/swift-build" "$1"
}

check_machine
mkdir -p "$cache"
exec 9>"$cache/debian13-swift.lock"
flock 9
[[ -x $root/usr/libexec/swift/bin/swift ]] || make_root
flock -u 9
case ${1:-} in
run) run_inside "$2" ;;
*) echo "$root" ;;
esac
