# The two commands of a newcomer are `make demo` and `make test`; each sets up what it needs.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo test lint bench verify verify-learning verify-leaks ui clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check -e '.[dev]' -c constraints.txt
	@touch $(STAMP)

demo: setup
	$(BIN)/chronav demo

test: setup
	$(BIN)/python -m pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	$(BIN)/python -m benchmarks.world

verify: verify-learning verify-leaks

verify-learning: setup
	$(BIN)/python -m benchmarks.verify_learning

verify-leaks: setup
	$(BIN)/python -m benchmarks.verify_leaks

ui: setup
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow ui

clean:
	rm -rf runs mlartifacts mlruns mlflow.db build *.egg-info .pytest_cache .mypy_cache .ruff_cache
