# `make help` lists what there is. Needs bash, Python 3.11 or 3.12 with venv, and util-linux (flock).
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3#       the interpreter that makes the environment
VENV ?= .venv#           where the environment is
CORES ?= all#            how many cores the workflow may use
ARGS ?=#                 further arguments for snakemake, or for pytest
TORCH_INDEX ?=#          package index to take torch from (a CPU or a CUDA build)

PYTHON := $(strip $(PYTHON))
VENV := $(strip $(VENV))
BIN := $(abspath $(VENV))/bin
# Jobs call `python`: the environment's must come first.
export PATH := $(BIN):$(PATH)

LOCK := requirements.lock
# A copy of the lock that the environment was made from: written last, so it vouches for a whole one.
INSTALLED := $(VENV)/installed.lock
STARTED := $(VENV)/started.lock

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo "variables: PYTHON VENV CORES ARGS TORCH_INDEX"

.PHONY: env
env: ## Make the environment; again only when requirements.lock changed
	@cmp -s $(LOCK) $(INSTALLED) || $(MAKE) --no-print-directory install

# An environment whose making was cut short (its start is noted, its end is not) is made from nothing.
.PHONY: install
install:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' \
		|| { echo "make: $(PYTHON) is not Python 3.11 or 3.12; try make env PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $$([ -e $(STARTED) ] && echo --clear) $(VENV)
	@cp $(LOCK) $(STARTED)
	$(if $(TORCH_INDEX),$(BIN)/python -m pip install --no-deps --index-url $(TORCH_INDEX) $$(grep -E '^torch(vision)?==' $(LOCK)))
	$(BIN)/python -m pip install --disable-pip-version-check --requirement $(LOCK)
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@mv $(STARTED) $(INSTALLED)

.PHONY: demo
demo: env ## Fit, code, decode and measure everything; draw the figures and tables
	@$(MAKE) --no-print-directory run

# A killed run leaves Snakemake's lock behind. Each run holds a lock of its own that dies with it
# (workflow/Snakefile, onstart): where nobody holds that one, Snakemake's is a leftover.
.PHONY: run
run: ## The same without looking at the environment; ARGS="--config condition=NAME -- all"
	@mkdir -p .snakemake
	@flock --nonblock .snakemake/run.lock true \
		|| { echo "make: another run is at work in this folder: wait for it, or stop it" >&2; exit 1; }
	@[ -z "$$(ls -A .snakemake/locks 2>/dev/null)" ] || snakemake --unlock --quiet all
	@snakemake --cores $(CORES) $(ARGS)

.PHONY: partial
partial: env ## Draw what exists already; no encode is started
	@$(MAKE) --no-print-directory run ARGS="$(ARGS) partial"

.PHONY: report
report: env ## Pack figures, tables and their captions into report.zip
	snakemake --report report.zip

.PHONY: test
test: env ## Run all tests; ARGS="tests/unit -k metrics" runs some
	$(BIN)/python -m pytest $(ARGS)

.PHONY: lint
lint: env ## Check style, types and the workflow
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile workflow
	snakemake --lint
	snakemake --lint --snakefile workflow/Snakefile

.PHONY: format
format: env ## Format Python and Snakemake files
	ruff check --fix-only .
	ruff format .
	snakefmt Snakefile workflow

.PHONY: clean
clean: ## Remove what the workflow made; reference streams, clips and the environment stay
	rm -rf results/points results/state results/tables results/figures results/partial logs report.zip report.html

.PHONY: distclean
distclean: clean ## Remove the prepared clips, Snakemake's records, caches and the environment too
	rm -rf resources .snakemake .mypy_cache .pytest_cache .ruff_cache *.egg-info $(VENV)
