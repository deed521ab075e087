# Every target sets up .venv by itself; all it needs is make, git and Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One thread per process: faster than two on a busy machine, and the same bits everywhere.
TEST_ENV := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 MPLBACKEND=Agg

.PHONY: setup demo test test-slow check docs bench clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "cmda needs Python 3.11 or newer: make PYTHON=python3.12 ..." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

$(VENV)/.docs-ready: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,docs]'
	@touch $@

demo: setup  ## Phantom cohort, the whole method on it, table and report
	$(BIN)/cmda demo

test: setup  ## Tests that take seconds each
	$(TEST_ENV) $(BIN)/python -m pytest

test-slow: setup  ## Tests that take minutes
	$(TEST_ENV) $(BIN)/python -m pytest -m slow

bench: setup  ## Measured comparisons; what to measure and how: make bench BENCH='--quick'
	$(BIN)/python -m tests.benchmarks $(BENCH)

check: setup  ## Style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.docs-ready  ## The documentation site, in site/
	$(BIN)/python docs/generate.py
	$(BIN)/mkdocs build --strict

clean:
	rm -rf site .pytest_cache .mypy_cache .ruff_cache
