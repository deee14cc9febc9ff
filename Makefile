# `make help` lists what there is. Needs bash, and Python 3.11 or 3.12 with venv.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
# Those of the machine, at most the CPU quota of a container.
CORES ?= $$($(PY) -m bench.base.cores)
# A name of config/conditions; empty: that of config/config.yaml.
CONDITION ?=
# What to make; empty: everything. And further arguments, for snakemake or for pytest.
TARGETS ?=
ARGS ?=
# A package index to take torch from (one of CPU or CUDA builds); empty: where pip looks for the rest.
TORCH_INDEX ?=

# Pages of 2 MiB for large arrays, as every command of the suite asks for (bench/base/process.py).
export GLIBC_TUNABLES ?= glibc.malloc.hugetlb=1

# A word of a shell command: the paths of a checkout may have spaces and quotes.
quote = '$(subst ','\'',$1)'

# Looked up before the environment comes first on PATH; the one beneath, if an environment is active.
INTERPRETER := $(shell $(call quote,$(PYTHON)) -c 'import sys; print(sys._base_executable)' 2>/dev/null)
BIN := $(shell realpath -m -- $(call quote,$(VENV)))/bin
ifneq ($(findstring :,$(BIN)),)
$(error the path of the environment, $(BIN), has a colon, which separates the folders of PATH: choose another VENV)
endif
export PATH := $(BIN):$(PATH)
# Commands start as modules: the first line of an installed script cannot have a path with quotes.
PY := $(call quote,$(BIN)/python)

LOCK := requirements.lock
# A copy of the lock that the environment was made from: written last, so it vouches for a whole one.
INSTALLED := $(call quote,$(VENV)/installed.lock)
STARTED := $(call quote,$(VENV)/started.lock)
PIP := $(PY) -m pip install --disable-pip-version-check

CONFIG := $(if $(CONDITION),--config condition=$(CONDITION))
# Without the --, snakemake takes a target that follows --config for a part of it.
SNAKEMAKE := $(PY) -m snakemake --cores $(CORES) $(ARGS) $(CONFIG) --
REPORT := $(PY) -m snakemake --report report.zip $(CONFIG)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo "Variables: CONDITION=name CORES=n TARGETS=... ARGS=... PYTHON=... VENV=... TORCH_INDEX=url"
	@echo "Snakemake itself needs -- after --config: snakemake --config condition=NAME -- all"

.PHONY: env
env: ## Make the environment; again only when requirements.lock changed
	@cmp -s $(LOCK) $(INSTALLED) || $(MAKE) --no-print-directory install

# An environment whose making was cut short (its start is noted, its end is not) is made from nothing.
.PHONY: install
install:
	@[ -n $(call quote,$(INTERPRETER)) ] && $(call quote,$(INTERPRETER)) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' \
		|| { echo "make: $(PYTHON) is not Python 3.11 or 3.12; try make env PYTHON=python3.11" >&2; exit 1; }
	@[ ! -e $(STARTED) ] || rm -rf $(call quote,$(VENV)); mkdir -p $(call quote,$(VENV)); cp $(LOCK) $(STARTED)
	$(call quote,$(INTERPRETER)) -m venv $(call quote,$(VENV))
	$(if $(TORCH_INDEX),$(PIP) --no-deps --index-url $(TORCH_INDEX) $$(grep '^torch==' $(LOCK)))
	$(PIP) --requirement $(LOCK)
	$(PIP) --no-deps --no-build-isolation --editable .
	@mv $(STARTED) $(INSTALLED)

.PHONY: demo
demo: env ## Fit, code, decode and measure everything; draw figures and tables; print the summary
	@$(MAKE) --no-print-directory run
	@$(PY) -m snakemake --cores 1 --quiet all --no-hooks $(CONFIG) -- show

# Refuses a second run in this folder. Plain snakemake does not: runs of other conditions have other outputs.
.PHONY: run
run: ## The same in an environment that is there
	@mkdir -p .snakemake; exec 9>.snakemake/run.lock; python -m bench.base.locks 9; exec 9>&-; \
	exec $(SNAKEMAKE) $(TARGETS)

.PHONY: partial
partial: env ## Draw what exists already; no encode is started
	@$(SNAKEMAKE) partial

.PHONY: report
report: env ## Pack figures, tables and their captions into report.zip; of the measured points if some are missing
	@error=$$($(REPORT) 2>&1) || case "$$error" in \
	*"marked for report but does not exist"*) \
		echo "make: points, tables or figures are missing; the report shows the measured points" >&2; \
		$(SNAKEMAKE) partial; $(REPORT) -- partial;; \
	*) echo "$$error" >&2; exit 1;; esac

# Tests that share fixtures run in one process (tests/conftest.py groups them).
PYTEST := $(PY) -m pytest -n 2 --dist loadscope --no-loadscope-reorder

.PHONY: test
test: env ## Run all tests but those of a GPU or the internet; ARGS="tests/unit -k metrics" runs some
	$(PYTEST) -m "not gpu and not network and not slurm" $(ARGS)

.PHONY: test-fast
test-fast: env ## Run the tests that are not slow, in two minutes on two cores
	$(PYTEST) -m "not slow and not gpu and not network and not slurm" $(ARGS)

.PHONY: test-gpu
test-gpu: env ## Run the tests that need a CUDA device
	$(PY) -m pytest -m gpu $(ARGS)

.PHONY: bench
bench: env ## Measure planning, scoring, coding, training, memory, states and the schedule; results in benchmarks/results
	@for name in planning scoring coding training memory states schedule; do $(BIN)/python -m benchmarks.$$name; done

.PHONY: bench-full-size
bench-full-size: env ## Run 600 frames of 1920x1080 through the workflow; takes an hour and 10 GB in FOLDER
	$(BIN)/python -m benchmarks.full_size $(or $(FOLDER),results/full-size)

.PHONY: test-slurm
test-slurm: env ## Run the tests through a SLURM of one node (root; Debian packages slurm-wlm and munge)
	$(BIN)/python -m pytest -m slurm tests/slurm $(ARGS)

.PHONY: test-properties
test-properties: env ## Run the property-based tests with many examples
	$(PYTEST) tests/property --hypothesis-profile=many $(ARGS)

SECONDS ?= 60
.PHONY: test-fuzz
test-fuzz: env ## Fuzz every reader of strangers' files for SECONDS=60 each; guided by coverage if atheris is installed
	@status=0; for target in $(or $(TARGETS),$$($(PY) tests/fuzz/run.py --list)); do \
	$(PY) tests/fuzz/run.py $$target --seconds $(SECONDS) --report tests/fuzz/results.json || status=1; \
	done; exit $$status

.PHONY: test-reliability
test-reliability: env ## Kill runs, fits, decoders, downloads at random, fill disks; write docs/reliability.md
	$(PY) tests/reliability/matrix.py $(ARGS)

METADATA_ENV := $(call quote,$(VENV)-metadata)
.PHONY: test-metadata
test-metadata: env ## Validate the RO-Crate and Croissant metadata of tracked results, in an environment of its own
	@[ -e $(METADATA_ENV)/bin/roc-validator ] || { $(PY) -m venv $(METADATA_ENV) && \
	$(METADATA_ENV)/bin/pip install --disable-pip-version-check rocrate==0.16.0 roc-validator==0.13.0 mlcroissant==1.1.1; }
	@folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; cp -r results/reference/demo-v1 "$$folder/points"; \
	$(PY) -m bench crate "$$folder"; $(METADATA_ENV)/bin/python tests/metadata/validate.py "$$folder"

.PHONY: verify-references
verify-references: env ## Decode and score every tracked stream again; takes a quarter of an hour
	$(PY) -m bench verify --device cpu $(or $(ARGS),results/reference)

.PHONY: test-isa
test-isa: env ## Run the numeric tests with every instruction set of this CPU, 1 and 2 threads
	@$(PY) tests/instruction_sets.py $(ARGS)

.PHONY: lint
lint: env ## Check style, types, layers and the workflow
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -c 'from importlinter.cli import lint_imports_command as run; run()'
	$(PY) -m reuse lint --quiet
	$(PY) -m snakefmt --check Snakefile workflow
	$(PY) -m snakemake --lint
	$(PY) -m snakemake --lint --snakefile workflow/Snakefile

.PHONY: format
format: env ## Format Python and Snakemake files
	$(PY) -m ruff check --fix-only .
	$(PY) -m ruff format .
	$(PY) -m snakefmt Snakefile workflow

.PHONY: docs
docs: env ## Build the documentation as HTML in docs/_build/html; warnings are errors
	$(PY) -m sphinx -M html docs docs/_build -W --keep-going -q

.PHONY: clean
clean: ## Remove what the workflow made; reference streams, clips and the environment stay
	rm -rf results/points results/state results/tables results/figures results/partial results/report results/report-frames \
		logs report.zip report.html

.PHONY: distclean
distclean: clean ## Remove the prepared clips, Snakemake's records, caches and the environment; downloads stay
	rm -rf resources/clips .snakemake .mypy_cache .pytest_cache .ruff_cache *.egg-info $(call quote,$(VENV))
