#!/usr/bin/env bash
# Runs every test and says what was left out and why. The end-to-end tests come last and alone: they bring up real nodes, and what else
# competes for the processors would be measured as their slowness.
set -euo pipefail
cd "$(dirname "$0")/.."

skips=$(mktemp)
trap 'rm -f "$skips"' EXIT
run() { # run DIR PACKAGES...: go test in a module, failing when a test fails
  local dir=$1; shift
  (cd "$dir" && go test -count=1 -timeout 45m -json "$@") | go run ./hack/testsum -skips "$skips"
}

run . $(go list ./... | grep -v /test/e2e)
# With the flags of the build, so that Kubernetes is not compiled again, and without vet, which would analyse all of it.
CGO_ENABLED=0 run kubernetes -trimpath -vet=off -tags "notest grpcnotrace no_btrfs no_devmapper no_zfs urfave_cli_no_docs static_build" ./...
[ -d test/engine ] && run test/engine -short ./...
run . -p 1 ./test/e2e/...

if [ -s "$skips" ]; then
  echo "left out:"
  sort -u "$skips" | sed 's/^/  /'
fi
