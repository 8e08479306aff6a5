#!/usr/bin/env bash
# Regenerates everything that is generated: API code and CRDs, wire models, catalogue, reference pages.
set -euo pipefail
cd "$(dirname "$0")/.."
go generate ./...
go run ./cmd/automode reference docs/reference
