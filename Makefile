# Everything here sets up its own environment. Others: make VENV=/elsewhere PYTHON=python3.12 test
VENV ?= .venv
PYTHON ?= python3
TORCH ?= torch==2.13.0
BIN := $(VENV)/bin

TRAIN_TESTS := $(wildcard tests/train/test_*.py tests/train/*/test_*.py \
                          tests/networks/test_*.py tests/networks/*/test_*.py)

.DEFAULT_GOAL := help
.PHONY: help demo test test-train lint format bench bench-quick soak docs lock clean

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

$(VENV)/.core: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "concealer needs Python 3.11 or newer: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "no venv in $(PYTHON): on Debian and Ubuntu, apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@

$(VENV)/.bench: $(VENV)/.core
	$(BIN)/python -m pip install --quiet -e '.[bench,cluster]'
	@touch $@

$(VENV)/.train: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet '$(TORCH)'
	$(BIN)/python -m pip install --quiet -e '.[train,dev]'
	@touch $@

demo: $(VENV)/.core ## Damage a clip, repair it, write demo/demo.png: before, FFmpeg, ours, clean
	$(BIN)/python -m pipelines.demo

# Not a step of its own that can fail: without GStreamer its tests are skipped.
$(VENV)/.gst: $(VENV)/.dev pipelines/gst/packages.sh
	@sh pipelines/gst/packages.sh $(BIN)/python
	@touch $@

test: $(VENV)/.dev $(VENV)/.gst ## Run the tests that need no torch
	$(BIN)/python -m pytest --ignore=tests/train --ignore=tests/networks

ifeq ($(strip $(TRAIN_TESTS)),)
TRAIN_NEEDS :=
TRAIN_RUN := echo "no network tests yet"
else
TRAIN_NEEDS := $(VENV)/.train
TRAIN_RUN := $(BIN)/python -m pytest $(wildcard tests/train tests/networks)
endif

test-train: $(TRAIN_NEEDS) ## Run the tests of networks and training (installs torch)
	@$(TRAIN_RUN)

# Needs GStreamer's bindings. MINUTES=5 for a try; a scheduler calls it every night.
MINUTES ?= 120
soak: $(VENV)/.bench $(VENV)/.gst ## Two hours live with 3 % loss, H.264 and HEVC side by side, into build/soak.json
	@mkdir -p build
	$(BIN)/python -m benchmarks.soak --minutes $(MINUTES) --out build/soak.json

lint: $(VENV)/.dev ## Check format, style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev ## Write the format, mend what style checks can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.bench ## Run all benchmarks in full, for hours; goes on where it stopped; makes docs/benchmarks.md
	$(BIN)/python -m benchmarks.everything

bench-quick: $(VENV)/.bench ## Run the benchmarks in their quick form
	$(BIN)/python -m benchmarks.everything --quick

docs: $(VENV)/.dev ## The pages as a site in build/site; completions and manual page anew
	$(BIN)/python -m pipelines.generated
	$(BIN)/python -m mkdocs build --quiet

lock: ## Pin anew what CI installs, and list the licences
	.ci/lock

clean: ## Remove the environment, the caches and what the demo wrote
	rm -rf $(VENV) build demo *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
