#!/usr/bin/env bash
# An ARM64 computer in a folder of the cache: qemu-user, a root folder with Python, LiteRT's wheels. Prints the folder.
#
#   tools/lanes/arm64_machine.sh PYTHON      PYTHON is the one whose LiteRT version is installed
#
# Nothing is installed on this machine: packages are unpacked. What cannot be had is said in one line; exit code 3. What
# nobody has used for two weeks goes.
set -euo pipefail

python="$1"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/mobilekit-lanes"
missing() { echo "$1" >&2; exit 3; }

[ "$(uname -sm)" = "Linux x86_64" ] || missing "needs Linux on x86_64, this is $(uname -sm)"
for tool in apt-get dpkg-deb; do
  command -v "$tool" >/dev/null || missing "needs $tool"
done

litert="$("$python" -c 'from importlib.metadata import version; print(version("ai-edge-litert"))')"
numpy="$("$python" -c 'from importlib.metadata import version; print(version("numpy"))')"
key="$(printf '%s' "$litert $numpy" | cat - "${BASH_SOURCE[0]}" | sha256sum | cut -c1-12)"
machine="$cache/arm64-$key"
answer_if_made() {
  [ -f "$machine/made" ] || return 0
  touch "$machine/made"
  echo "$machine"
  exit
}
answer_if_made

mkdir -p "$cache"
exec 9>"$cache/.arm64.lock"
flock 9 # another run may be making the same
answer_if_made
rm -rf "$cache"/.arm64-new-* # of runs that were killed: whoever makes one holds the lock
find "$cache" -mindepth 2 -maxdepth 2 -path "*/arm64-*/made" -mtime +14 -print |
  while read -r made; do rm -rf "$(dirname "$made")"; done
fresh="$(mktemp -d "$cache/.arm64-new-XXXXXX")"
trap 'rm -rf "$fresh"' EXIT

# An apt of its own: its own lists, its own idea of what is installed (nothing), another architecture.
apt_of() { # apt_of SUITE ARCHITECTURE: the folder of such an apt, with its lists
  local apt="$fresh/apt-$1"
  mkdir -p "$apt/lists/partial" "$apt/archives/partial"
  : >"$apt/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $1 main" \
    >"$apt/sources.list"
  cat >"$apt/apt.conf" <<CONF
APT::Architecture "$2";
APT::Architectures { "$2"; };
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
Dir::State "$apt";
Dir::State::status "$apt/status";
Dir::Cache "$apt";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
CONF
  apt-get -c "$apt/apt.conf" -qq update >&2 || missing "Debian's list of $1 for $2 cannot be had"
  echo "$apt"
}

qemu() { # the emulator alone: it is linked statically
  local apt
  apt="$(apt_of trixie amd64)"
  (cd "$apt/archives" && apt-get -c "$apt/apt.conf" -qq download qemu-user >&2) || missing "qemu-user cannot be had"
  mkdir "$fresh/qemu"
  dpkg-deb --fsys-tarfile "$apt"/archives/qemu-user_*.deb | tar -x -C "$fresh/qemu" ./usr/bin/qemu-aarch64
  rm -rf "$apt"
}

root() { # Debian 12's Python 3.11, and the libraries that wheels need
  local apt package
  apt="$(apt_of bookworm arm64)"
  apt-get -c "$apt/apt.conf" -qq -y --no-install-recommends --download-only install \
    python3.11-minimal libpython3.11-stdlib libstdc++6 libgomp1 >&2 || missing "ARM64 packages cannot be had"
  mkdir "$fresh/root"
  for package in "$apt"/archives/*.deb; do
    dpkg-deb -x "$package" "$fresh/root"
  done
  rm -rf "$apt"
}

wheels() { # LiteRT of the version that is installed here
  local platforms=(--platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64)
  platforms+=(--platform manylinux_2_17_aarch64 --platform manylinux2014_aarch64)
  "$python" -m pip install --quiet --quiet --no-compile --no-warn-conflicts --target "$fresh/site" \
    --only-binary=:all: --python-version 3.11 --implementation cp --abi cp311 --abi abi3 --abi none \
    "${platforms[@]}" "ai-edge-litert==$litert" "numpy==$numpy" >&2 || missing "LiteRT's wheels cannot be had"
}

qemu
root
wheels
"$fresh/qemu/usr/bin/qemu-aarch64" --version | head -1 >"$fresh/made"
rm -rf "$machine"
mv "$fresh" "$machine"
echo "$machine"
