# `make run` runs the workflow, and `make test` runs the tests. Both create their environment first, and
# need only Python 3.11 or later.
PYTHON ?= python3
CORES ?= all
BIN = .venv/bin

.PHONY: run test test-all test-slow check env clean help

run: .venv/ready $(if $(SIMD),.venv/simd,.venv/kernel) ## process the datasets of config.yaml and write the report
	@$(BIN)/snakemake --cores $(CORES) all

test: .venv/ready-dev ## run the fast tests
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not slow" $(PYTEST_OPTIONS)

test-all: .venv/ready-dev ## run all tests, including faults, corpus and browser
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(PYTEST_OPTIONS)

test-slow: .venv/ready-dev ## run only the slow tests
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m slow $(PYTEST_OPTIONS)

check: .venv/ready-dev ## check style, types, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=scripts $(BIN)/lint-imports --no-cache
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --cores 1 --lint

env: .venv/ready-dev ## only create the environment

clean: .venv/ready ## remove results, generated images and logs
	@$(BIN)/snakemake --cores 1 clean

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/make \1: \2/p' $(MAKEFILE_LIST)

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "pixelmill needs Python 3.11 or later: use make PYTHON=python3.12, or the path of another Python."; exit 1; }
	@$(PYTHON) -m venv .venv
	@touch $@

# Pillow and pillow-simd would overwrite each other's files.
PLAIN_PILLOW = @if [ -e .venv/simd ]; then rm -f .venv/simd .venv/kernel; \
  $(BIN)/python -m pip uninstall --quiet --yes pillow-simd pixelmill-kernel; fi

.venv/ready: .venv/python envs/requirements.lock
	$(PLAIN_PILLOW)
	@echo "Setting up .venv with 73 packages; those that pip has not kept are downloaded, up to 145 MB."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r envs/requirements.lock
	@touch $@

# The kernel gives the same bytes sooner. Without a C compiler and Python's headers, it is left out.
.venv/kernel: .venv/ready $(wildcard envs/kernel/*)
	@if command -v $(CC) >/dev/null; then \
	  $(BIN)/python -m pip install -qq --disable-pip-version-check ./envs/kernel >$@.log 2>&1 || true; fi
	@touch $@

# pillow-simd and the kernel need a C compiler and the headers of the codecs (envs/README.md).
.venv/simd: .venv/ready envs/simd.txt $(wildcard envs/kernel/*)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --force-reinstall ./envs/kernel
	$(BIN)/python -m pip uninstall --quiet --yes pillow pillow-simd
	CC="$(CC) -mavx2" $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --require-hashes --no-binary pillow-simd -r envs/simd.txt
	@touch $@

.venv/ready-dev: .venv/python envs/requirements-dev.lock
	$(PLAIN_PILLOW)
	@echo "Setting up .venv with 125 packages; those that pip has not kept are downloaded, up to 290 MB."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r envs/requirements-dev.lock
	@touch $@ .venv/ready

UV_COMPILE = uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-annotate --no-header --quiet

.PHONY: docs
docs: .venv/ready-dev ## generate docs/steps.md, docs/configuration.md, and tables of other pages; complete config.yaml
	$(BIN)/python scripts/steps.py --docs docs --complete config.yaml
	$(BIN)/python docs/figure_tables.py
	cp config.yaml config/config.yaml

# In memory if the system has such a folder, so that no disk is measured.
SCRATCH ?= $(firstword $(wildcard /dev/shm) $(TMPDIR) .)

.PHONY: figures
figures: .venv/ready-dev ## measure all figures of README and docs again, on an idle machine; continues if stopped
	$(BIN)/python docs/figures.py --scratch "$(SCRATCH)"

.PHONY: screenshots
screenshots: .venv/ready-dev ## take docs/report*.png again; requires an idle machine and Chromium on PATH
	$(BIN)/snakemake --cores $(CORES) all
	$(BIN)/snakemake --cores $(CORES) scaling
	$(BIN)/snakemake --cores $(CORES) report
	$(BIN)/python docs/screenshots.py results/report/report.html

.PHONY: terminal
terminal: .venv/ready-dev ## draw docs/run.svg again: what 'make run' prints, in a clone without results
	$(BIN)/python docs/terminal_picture.py docs/run.svg $(MAKE) run

.PHONY: presets
presets: .venv/ready-dev ## draw docs/presets.png again
	PYTHONPATH=scripts $(BIN)/python docs/preset_pictures.py

.PHONY: lock
lock: ## pin all dependencies of pyproject.toml again
	$(UV_COMPILE) -o envs/requirements.lock
	$(UV_COMPILE) --extra cluster -o envs/requirements-cluster.lock
	$(UV_COMPILE) --extra cluster --extra heif --extra buckets --extra sftp --extra zstd --group dev -o envs/requirements-dev.lock
	$(PYTHON) envs/conda.py
