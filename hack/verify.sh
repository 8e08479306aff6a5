#!/usr/bin/env bash
# Fails when generated files differ from what is committed, or when a file is not formatted or does not pass vet.
set -euo pipefail
cd "$(dirname "$0")/.."

unformatted=$(git ls-files '*.go' | xargs gofmt -l)
if [ -n "$unformatted" ]; then
  printf 'verify: not formatted (run gofmt -w):\n%s\n' "$unformatted" >&2
  exit 1
fi
if [ -n "$(git status --porcelain)" ]; then
  echo "verify: generating changed these files; commit them or mend the generator:" >&2
  git status --short >&2
  git --no-pager diff --stat >&2
  exit 1
fi
go vet ./...
echo "verify: generated files are up to date, code is formatted and vetted"
