# Bare `make` explains itself. Each target is one go command, given beside it
# in the README, so that make is never needed.

GO          ?= go
RUNTIME     ?= auto
DIALECT     ?= strict
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2

.DEFAULT_GOAL := help
.PHONY: help run test race kill lint bench image clean

help: ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  RUNTIME=auto|docker|embedded and DIALECT=strict|test.fhir.org go with run."

run: ## the main job: a cluster of mock EHRs carries out the whole protocol; report in reports/out
	$(GO) run ./steps/cmd/ccde certify --runtime $(RUNTIME) --dialect $(DIALECT)

test: ## all tests: units, features in both runtimes and dialects, then again under the race detector
	$(GO) test ./...
	$(MAKE) --no-print-directory race

race: ## harness and embedded nodes under the race detector (needs a C compiler)
	@if command -v $$($(GO) env CC) >/dev/null 2>&1; then CGO_ENABLED=1 CCDE_DOCKER=off $(GO) test -race ./...; \
	elif [ "$$CI" = true ]; then echo "race: no C compiler ($$($(GO) env CC)); install one" >&2; exit 1; \
	else echo "SKIPPED: the race detector needs a C compiler ($$($(GO) env CC)); install one to run it" >&2; fi

kill: ## tries the judge: it must find out every defect of fixtures/defects; table in reports/out
	$(GO) run ./steps/cmd/ccde kill --dialect $(DIALECT)

lint: ## gofmt, go vet, staticcheck and the import rules
	@bad=$$(gofmt -l .); [ -z "$$bad" ] || { echo "not gofmt'd: $$bad" >&2; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) run ./.ci/lint

bench: ## benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

image: ## the node's container image, ccde-mockehr:dev
	$(GO) run ./steps/cmd/ccde image --tag ccde-mockehr:dev

clean: ## removes reports, binaries and what dead runs left on the Docker engine
	$(GO) run ./steps/cmd/ccde clean
	rm -rf reports/out bin
