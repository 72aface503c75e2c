# The two commands are `make serve` and `make test`; each does all of its own set-up, with the Python that
# setup/environment finds; PYTHON=/path/to/python3 names another. `make image` needs an engine.
HOST ?= 127.0.0.1
PORT ?= 3000
PROMETHEUS_PORT ?= 9090
DEMO_SECONDS ?= 300
IMAGE ?= credit-risk-api:$(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
BIN := .venv/bin
export BENTOML_HOME ?= $(CURDIR)/.bentoml
export BENTOML_DO_NOT_TRACK := True

.PHONY: always port serve demo test dev import train lock build image test-image bench release docs gallery clean

# Decisions are kept beside the models, unless CREDIT_RISK_RECORDS says where.
serve: export CREDIT_RISK_RECORDS ?= sqlite:$(BENTOML_HOME)/records
serve: export CREDIT_RISK_RECORDS_KEY_FILE ?= $(BENTOML_HOME)/records-keys.json
serve: port import
	@[ -e "$$CREDIT_RISK_RECORDS_KEY_FILE" ] || $(BIN)/python -m records key "$$CREDIT_RISK_RECORDS_KEY_FILE"
	@echo 'When "ready" is logged, paste into another shell:'
	@echo "curl -s http://$(HOST):$(PORT)/predict -H 'Content-Type: application/json' -d @examples/application.json"
	$(BIN)/bentoml serve service:CreditRisk --host $(HOST) --port $(PORT)

demo: .venv/.dev
	$(BIN)/python -m examples.demo --port $(PORT) --prometheus-port $(PROMETHEUS_PORT) --seconds $(DEMO_SECONDS)

# Before anything is loaded.
port: .venv/.serving
	@$(BIN)/python setup/port.py $(HOST) $(PORT)

import: .venv/.serving
	$(BIN)/python import_model.py

test: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadfile --timeout 600 --cov --cov-report=term -m "not slow and not container and not database"

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

gallery: .venv/.dev
	$(BIN)/python -m examples.gallery

dev: .venv/.dev

train: .venv/.dev
	$(BIN)/python -m training --data $(DATA) --version $(VERSION) $(OPTIONS)

lock: .venv/.serving
	setup/lock

# Not by the files' times: whether .venv is whole, and of a Python that will do, only running it tells.
.venv/.serving: always
	@setup/environment serving

.venv/.dev: always
	@setup/environment dev

clean:
	rm -rf .venv .bentoml benchmarks/.venvs
