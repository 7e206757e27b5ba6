# Two commands on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= 2
EXTRAS ?= dev
export OMP_NUM_THREADS ?= 1
SHIPPED := $(patsubst models/%/weights.safetensors,%,$(wildcard models/*/weights.safetensors))

.PHONY: demo test test-all check lint types layers format bench reproduce catalog schemas lanes wheel clean

demo: $(VENV)/.installed
	for net in $(SHIPPED); do $(BIN)/mobilekit export $$net --out build/$$net || exit 1; done

test: $(VENV)/.installed
	$(BIN)/pytest -n $(JOBS)

test-all: $(VENV)/.installed
	$(BIN)/pytest -n $(JOBS) -m "slow or not slow"

check: lint types layers

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed
	$(BIN)/mypy

layers: $(VENV)/.installed
	$(BIN)/lint-imports

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/run_all.py

reproduce: $(VENV)/.installed  # trains for about an hour
	$(BIN)/python benchmarks/theses.py --json benchmarks/results/theses.json
	$(BIN)/python benchmarks/lenet_l1l2.py --json benchmarks/results/lenet_l1l2.json
	$(BIN)/python benchmarks/specialization.py --json benchmarks/results/specialization.json
	$(BIN)/python benchmarks/specialization_detection.py --json benchmarks/results/specialization_detection.json

catalog: $(VENV)/.installed
	$(BIN)/python tools/nets_catalog.py

schemas: $(VENV)/.installed
	$(BIN)/python tools/schemas.py
	$(BIN)/python tools/app_testdata.py

lanes: $(VENV)/.installed  # the sample apps: Swift, Kotlin, resources, emulated ARM64, phones' stand-ins
	PYTHON=$(BIN)/python tools/lanes/run.sh

wheel: $(VENV)/.installed
	$(BIN)/python -m build --wheel

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e ".[$(EXTRAS)]"
	touch $@

clean:
	rm -rf build dist *.egg-info
