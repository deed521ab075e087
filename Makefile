# Every target sets up .venv by itself; all it needs is make, git and Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One thread per process: faster than two on a busy machine, and the same bits everywhere.
TEST_ENV := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 MPLBACKEND=Agg

.PHONY: setup demo test test-slow test-gpu torture soak check docs bench clean

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

test-gpu: setup  ## Tests that need a CUDA device
	$(TEST_ENV) $(BIN)/python -m pytest -m gpu

bench: setup  ## Measured comparisons; what to measure and how: make bench BENCH='--quick'
	$(BIN)/python -m tests.benchmarks $(BENCH)

torture: setup  ## 200 SIGKILLs at random moments; TORTURE="--kills 20 --seed 3" for others
	$(TEST_ENV) $(BIN)/python tests/torture/torture.py $(TORTURE)

soak: setup  ## An hour of training in which nothing may grow; SOAK="--minutes 5" for less
	$(TEST_ENV) $(BIN)/python tests/soak/soak.py $(SOAK)

check: setup  ## Style, format, types, and pinned versions that are known to be bad
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python docs/scripts/audit.py

docs: $(VENV)/.docs-ready  ## The documentation site, in site/
	$(BIN)/python docs/generate.py
	$(BIN)/mkdocs build --strict

clean:
	rm -rf site .pytest_cache .mypy_cache .ruff_cache
