# Needs Go, Python 3.10 or later and make; a C compiler makes the Python side faster.
GO ?= go
PYTHON ?= python3
PORT ?= 8000
FUZZTIME ?= 30s
STORYTIME ?= 20m
AGAIN ?=

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOFUMPT = mvdan.cc/gofumpt@v0.12.0
GOFOLDERS = $(wildcard cmd internal python test bench)

.DEFAULT_GOAL := help
.PHONY: help build demo test race conformance lint fuzz bench generate wheel FORCE

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: bin/rickhouse ## make bin/rickhouse, with a C extension for each Python found

demo: build build/demo/ready ## serve the Flask example at http://127.0.0.1:8000 (PORT=… for another port)
	bin/rickhouse serve app:app --dir examples/flask --python build/demo -b 127.0.0.1:$(PORT)

test: build ## install what the tests need and run all of them
	$(AGAIN) $(GO) test $$($(GO) list ./... | grep -v /test/story)
	$(AGAIN) $(GO) test -tags noepoll ./internal/loop/... ./internal/front/... ./internal/app/...
	$(AGAIN) $(PYTHON) -m unittest discover -s bench/tests -t bench
	$(AGAIN) $(PYTHON) scripts/python_tests.py
	$(AGAIN) $(PYTHON) test/wsgi/run.py
	$(AGAIN) $(PYTHON) test/asgi/run.py
	$(AGAIN) $(PYTHON) test/http3/run.py
	$(AGAIN) $(PYTHON) test/gateway/run.py
	$(AGAIN) $(GO) test -count=1 -timeout $(STORYTIME) ./test/story/...

race: build ## run the Go tests and the stories with the race detector
	CGO_ENABLED=1 $(GO) build -race -o build/race/rickhouse ./cmd/rickhouse
	CGO_ENABLED=1 $(GO) test -race $$($(GO) list ./... | grep -v /test/story)
	RICKHOUSE_BINARY=$(CURDIR)/build/race/rickhouse $(GO) test -count=1 -timeout $(STORYTIME) ./test/story/...

conformance: build ## run other people's suites against the binary: test/conformance
	$(PYTHON) test/conformance/h2spec.py
	$(PYTHON) test/conformance/websockets_client.py
	$(PYTHON) test/conformance/autobahn.py

lint: build/lint/ready ## check the style of Go, Python and C
	$(GO) vet ./...
	$(GO) vet -tags noepoll ./internal/...
	for platform in linux/arm64 darwin/arm64; do \
		echo "$$platform" && \
		GOOS=$${platform%/*} GOARCH=$${platform#*/} $(GO) vet ./... && \
		GOOS=$${platform%/*} GOARCH=$${platform#*/} CGO_ENABLED=0 $(GO) build -o /dev/null ./cmd/rickhouse || exit 1; \
	done
	$(GO) run $(STATICCHECK) ./...
	@unformatted=$$($(GO) run $(GOFUMPT) -l $(GOFOLDERS)) && { [ -z "$$unformatted" ] || { echo "run $(GOFUMPT) -w on:"; echo "$$unformatted"; exit 1; }; }
	build/lint/bin/ruff check .
	build/lint/bin/ruff format --check .
	build/lint/bin/clang-format --dry-run -Werror python/ext/*.c python/ext/*.h
	@if $(PYTHON) -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))'; \
	then $(PYTHON) python/build.py --strict; else echo "$(PYTHON) has no headers: the C extension is not compiled"; fi

fuzz: ## run each fuzz target for FUZZTIME (30s)
	$(PYTHON) scripts/fuzz.py $(FUZZTIME)

bench: build ## compare with other servers, into bench/results.md
	$(PYTHON) bench/run.py

generate: build ## write the pages of docs that come from the code
	@mkdir -p build
	bin/rickhouse docs config > build/config.md && mv build/config.md docs/config.md
	bin/rickhouse docs cli > build/cli.md && mv build/cli.md docs/cli.md

wheel: build ## make a wheel, so that pip installs the rickhouse command
	$(PYTHON) scripts/wheel.py bin/rickhouse build/wheel

bin/rickhouse: FORCE
	$(PYTHON) python/build.py
	CGO_ENABLED=0 $(GO) build -trimpath -o $@ ./cmd/rickhouse

build/demo/ready: examples/flask/requirements.txt
	$(PYTHON) -m venv build/demo
	build/demo/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

build/lint/ready: scripts/requirements-lint.txt
	$(PYTHON) -m venv build/lint
	build/lint/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@
