#!/usr/bin/env bash
# Regenerates everything that is generated: API code and CRDs, wire models, reference pages.
set -euo pipefail
cd "$(dirname "$0")/.."

hack/generate-api.sh

# The wire models come out of the service descriptions that every awscli brings. Another version of it gives other models, so they are made anew
# only from the one they were made from last.
made_from=$(cat localcloud/wire/models/botocore-version)
if [ "$(python3 -c 'import botocore; print(botocore.__version__)' 2>/dev/null)" = "$made_from" ]; then
  go run ./hack/wiremodel
else
  echo "generate: wire models left as they are: they are made from botocore $made_from" >&2
fi

go generate ./...
go run ./cmd/automode reference docs/reference
go run ./hack/configdoc > docs/reference/controllers.md
