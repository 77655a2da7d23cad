SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The root module is what users import. The others keep what only we need out of its go.mod.
MODULES := . bench examples/sidebyside/e2e
STATICCHECK = go tool -modfile=$(CURDIR)/tools/go.mod staticcheck

FUZZTIME ?= 1m
SOAK ?= 10m
PASSES ?= 10

.PHONY: help run test check bench fuzz soak tidy

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-6s %s\n", $$1, $$2}' Makefile

run: ## Start the example: the ported app and the race lab
	go run ./examples/sidebyside

test: ## Everything, in under ten minutes; installs what it needs where it can
	@.ci/needs
	@export HOLDOVER_TEST=all; \
	echo '== tests, with the race detector'; go test -race -timeout 5m ./...; \
	echo '== allocations, which are not counted under the race detector'; go test -run Alloc ./core/... ./compat ./webkit ./webstack ./myghty ./albatross; \
	echo '== file store with flock in place of fcntl'; go test -tags holdover_flock ./core/filestore; \
	echo '== the benchmarks'"'"' own tests'; (cd bench && go test ./...); \
	echo '== browser'; (cd examples/sidebyside/e2e && go test -count=1 ./...)
	@$(MAKE) --no-print-directory check

check: ## Format, vet, staticcheck, tidy go.mod files
	@echo '== gofmt'; bad=$$(gofmt -s -l .); [ -z "$$bad" ] || { echo "run gofmt -s -w on:"; echo "$$bad"; exit 1; }
	@for m in $(MODULES); do \
		echo "== vet, staticcheck, tidy: $$m"; \
		(cd $$m && go vet ./... && $(STATICCHECK) ./... && go mod tidy -diff); \
	done

bench: ## Compare with other libraries: PASSES=10 interleaved passes, best and median
	cd bench && go run ./report -passes $(PASSES) && go run ./report -redis -passes $(PASSES)

fuzz: ## Run every fuzz target for FUZZTIME=1m
	@grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sort | while IFS=: read -r file func; do \
		echo "== $${func#func } in $${file%/*}"; \
		go test -run '^$$' -fuzz "^$${func#func }\$$" -fuzztime $(FUZZTIME) "$${file%/*}"; \
	done

soak: ## Run the tests with Soak in their name for SOAK=10m each, with the race detector
	HOLDOVER_TEST=all HOLDOVER_SOAK=$(SOAK) go test -race -count=1 -timeout 0 -run Soak ./...

tidy: ## Run go mod tidy in each module
	@for m in $(MODULES) tools; do (cd $$m && go mod tidy); done
