#!/usr/bin/env bash
# Installs the distribution's packages named in hack/packages.txt that this machine does not have. Prints nothing when there is nothing to do.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v go >/dev/null || { echo "setup: Go is missing: install Go $(sed -n 's/^go //p' go.mod) or newer from https://go.dev/dl" >&2; exit 1; }

missing=()
while read -r package _; do
  case "$package" in ''|'#'*) continue ;; esac
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
done < hack/packages.txt
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
  echo "setup: this is not a Debian-like system: install the counterparts of: ${missing[*]}" >&2
  exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "setup: not root, so these packages are not installed and machines will be simulated: ${missing[*]}" >&2
  echo "setup: to have real machines: sudo apt-get install ${missing[*]}" >&2
  exit 0
fi
echo "setup: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
