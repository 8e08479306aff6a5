#!/usr/bin/env bash
# Measures the product as its user meets it, then every package that has benchmarks. Takes some minutes; prints figures, judges none.
set -euo pipefail
cd "$(dirname "$0")/.."
go test ./test/bench -run '^$' -bench "${BENCH:-.}" -benchtime 1x -timeout 60m
[ -n "${BENCH:-}" ] || go test ./localcloud/... ./compute/... ./network/... -run '^$' -bench . -benchtime 200ms
