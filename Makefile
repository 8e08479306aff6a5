# make up      set up this machine, build everything, start a cluster, say what to type next
# make test    set up this machine, build everything, run every test (real nodes included as root)
# make help    the other targets

SHELL   := /bin/bash
MINOR   ?= 1.35
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GOBUILD  = go build -ldflags "-s -w -X github.com/automode-dev/automode/cli.version=$(VERSION)"

.PHONY: help setup build up down test unit e2e e2e-engine verify generate bench bench-engine oracle clean

help: ## list the targets
	@grep -hE "^[a-z0-9-]+:.*##" $(MAKEFILE_LIST) | sed -E "s/:.*## /\t/" | expand -t 16

setup: ## install the distribution's packages that are missing (needs root and apt)
	@hack/setup.sh

build: ## build bin/automode and the Kubernetes components
	@mkdir -p bin
	$(GOBUILD) -o bin/automode ./cmd/automode
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o bin/pause ./images/pause
	hack/build-kubernetes.sh $(MINOR)

up: setup build ## set up, build, start a cluster
	@bin/automode up

down: ## remove everything that up started
	@bin/automode down

test: setup build ## set up, build, run every test
	hack/test.sh

unit: ## the tests that need neither root nor built components
	go test ./... -short

e2e: build ## the end-to-end tests alone
	go test ./test/e2e/... -p 1 -count=1 -timeout 40m -v

e2e-engine: build ## the engine end to end at full size on simulated machines (PODS=, NODES=, CHURN=, DEPLOYMENTS=, SEED=)
	go test ./test/e2e/engine -count=1 -timeout 6h -v -pods $(or $(PODS),10000) -nodes $(or $(NODES),2000) \
	  -churn $(or $(CHURN),10m) -deployments $(or $(DEPLOYMENTS),60) -oscillations 0 -seed $(or $(SEED),1)

generate: ## regenerate CRDs, deepcopy code, wire models and reference pages
	hack/generate.sh

verify: generate ## regenerate, and fail if that changes a file; vet and format
	hack/verify.sh

bench: build ## measure and compare; figures go to docs/reference/benchmarks.md by hand
	hack/bench.sh

bench-engine: ## the engine beside Karpenter's, in one run, table by table (TABLES=, SEED=; all of them take hours)
	cd test/engine && for table in $(or $(TABLES),speed types pools preferences existing consolidate memory price shrink); do \
		go test . -v -run TestTable -table $$table -seed $(or $(SEED),0) -timeout 0 || exit 1; done

oracle: ## 10,000 generated cases against Karpenter's scheduler (CASES=, SEED=)
	cd test/engine && go test . -v -timeout 6h -cases $(or $(CASES),10000) -seed $(or $(SEED),1)

clean: ## remove what was built
	rm -rf bin
