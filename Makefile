# The two commands of a newcomer are `make demo` and `make test`; each sets up what it needs.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

BUNDLE := dist/chronav-gpu.pyz
DEVICE ?= cuda
# The Python that was asked for, where one was; else that of the virtual environment, which is then set up.
ASKED := $(filter command environment,$(firstword $(origin PYTHON)))
CHECK_PYTHON = $(if $(ASKED),$(PYTHON),$(BIN)/python)

.PHONY: setup demo test lint bench verify verify-learning verify-ablation verify-world verify-resume verify-leaks verify-alignment verify-fuzz verify-faults verify-incremental verify-soak verify-finetune verify-esc10 gpu-pack gpu-check ui clean

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
	$(BIN)/python -m benchmarks.train_input --page
	$(BIN)/python -m benchmarks.train_step --page
	$(BIN)/python -m benchmarks.ingest --page
	$(BIN)/python -m benchmarks.ingest_workers --page
	$(BIN)/python -m benchmarks.ray_data --page
	$(BIN)/python -m benchmarks.features --page
	$(BIN)/python -m benchmarks.linear_probe --page

VERIFY = verify-learning verify-ablation verify-world verify-resume verify-leaks verify-alignment verify-fuzz verify-faults verify-incremental verify-soak verify-finetune verify-esc10

# All of them, whatever one of them comes to; fails where one does.
verify: setup
	$(MAKE) --keep-going $(VERIFY)

verify-learning: setup
	$(BIN)/python -m benchmarks.verify_learning

verify-ablation: setup
	$(BIN)/python -m benchmarks.verify_ablation

verify-world: setup
	$(BIN)/python -m benchmarks.verify_world --take runs/ablation

verify-resume: setup
	$(BIN)/python -m benchmarks.verify_resume

verify-leaks: setup
	$(BIN)/python -m benchmarks.verify_leaks

verify-alignment: setup
	$(BIN)/python -m benchmarks.alignment

verify-fuzz: setup
	$(BIN)/python -m benchmarks.fuzz

verify-faults: setup
	$(BIN)/python -m benchmarks.verify_faults

verify-incremental: setup
	$(BIN)/python -m benchmarks.verify_incremental

verify-soak: setup
	$(BIN)/python -m benchmarks.verify_soak

verify-finetune: setup
	$(BIN)/python -m benchmarks.verify_finetune

verify-esc10: setup
	$(BIN)/python -m benchmarks.verify_esc10

gpu-pack: setup
	$(BIN)/python -m benchmarks.gpu.pack --out $(BUNDLE)

$(BUNDLE): $(shell find benchmarks/gpu chronav trainer -name '*.py') constraints.txt
	$(MAKE) gpu-pack

gpu-check: $(if $(ASKED),,setup)
	@$(CHECK_PYTHON) -m benchmarks.gpu.machine $(DEVICE) > /dev/null
	@$(MAKE) --no-print-directory $(BUNDLE)
	$(CHECK_PYTHON) $(BUNDLE) --device $(DEVICE) $(if $(filter cpu,$(DEVICE)),--small --minutes 2)

ui: setup
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow ui

clean:
	rm -rf runs mlartifacts mlruns mlflow.db build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
