# Bare `make` explains itself. Each target is one go command, given beside it
# in the README, so that make is never needed.

GO          ?= go
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2

.DEFAULT_GOAL := help
.PHONY: help test race lint bench clean

help: ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

test: ## all tests: units, then again under the race detector
	$(GO) test ./...
	$(MAKE) --no-print-directory race

race: ## harness and embedded nodes under the race detector (needs a C compiler)
	@if command -v $$($(GO) env CC) >/dev/null 2>&1; then CGO_ENABLED=1 CCDE_DOCKER=off $(GO) test -race ./...; \
	elif [ "$$CI" = true ]; then echo "race: no C compiler ($$($(GO) env CC)); install one" >&2; exit 1; \
	else echo "SKIPPED: the race detector needs a C compiler ($$($(GO) env CC)); install one to run it" >&2; fi

lint: ## gofmt, go vet, staticcheck and the import rules
	@bad=$$(gofmt -l .); [ -z "$$bad" ] || { echo "not gofmt'd: $$bad" >&2; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) run ./.ci/lint

bench: ## benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

clean: ## removes reports and binaries
	rm -rf reports/out bin
