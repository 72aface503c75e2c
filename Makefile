# The two commands are `make serve` and `make test`; each does all of its own set-up. `make image` needs an engine.
PYTHON ?= python3.11
HOST ?= 127.0.0.1
PORT ?= 3000
PROMETHEUS_PORT ?= 9090
DEMO_SECONDS ?= 300
IMAGE ?= credit-risk-api:$(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
BIN := .venv/bin
export BENTOML_HOME ?= $(CURDIR)/.bentoml
export BENTOML_DO_NOT_TRACK := True

.PHONY: serve demo test dev import train lock build image test-image bench release docs clean

serve: import
	@echo 'When "ready" is logged, paste into another shell:'
	@echo "curl -s http://$(HOST):$(PORT)/predict -H 'Content-Type: application/json' -d @examples/application.json"
	$(BIN)/bentoml serve service:CreditRisk --host $(HOST) --port $(PORT)

demo: .venv/.dev
	$(BIN)/python -m examples.demo --port $(PORT) --prometheus-port $(PROMETHEUS_PORT) --seconds $(DEMO_SECONDS)

import: .venv/.serving
	$(BIN)/python import_model.py

test: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest --cov --cov-report=term -m "not slow and not container"

build: import
	$(BIN)/bentoml build

image: import
	PATH="$(CURDIR)/$(BIN):$$PATH" deploy/image/build $(IMAGE)

test-image: .venv/.dev
	deploy/image/test $(IMAGE)

bench: .venv/.dev
	$(BIN)/python -m benchmarks

release: .venv/.dev
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m deploy.image.release $(VERSION)

docs: .venv/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

dev: .venv/.dev

train: .venv/.dev
	$(BIN)/python -m training --data $(DATA) --version $(VERSION) $(OPTIONS)

lock: .venv/.dev
	$(BIN)/uv pip compile -q --no-header --no-emit-index-url --no-emit-find-links --python-version 3.11 requirements.in -o requirements.txt
	$(BIN)/uv pip compile -q --no-header --no-emit-index-url --no-emit-find-links --python-version 3.11 requirements-dev.in -o requirements-dev.txt

.venv/bin/uv:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

.venv/.serving: .venv/bin/uv requirements.txt
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.txt
	@touch $@

.venv/.dev: .venv/bin/uv requirements-dev.txt
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements-dev.txt
	@touch $@ .venv/.serving

clean:
	rm -rf .venv .bentoml benchmarks/.venvs
