# make demo: everything, on simulated prices. make test: the test suite. make check: what a commit must pass.
PYTHON ?= python3
BIN := .venv/bin
SOURCES := sigma_assets sigma_assets_tests benchmarks setup.py
UV := UV_SYSTEM_CERTS=1 $(BIN)/uv pip install --quiet --python $(BIN)/python
LOCK := requirements.lock
# A worker more than a small machine has processors, since some tests wait; a file each at a time: the fixtures of a file start
# servers that its tests share. In the order of conftest.py: by default the files with few tests come last, and among these
# are the longest ones.
PYTEST_ARGS ?= -n 3 --dist loadfile --no-loadscope-reorder

export DAGSTER_HOME ?= $(CURDIR)/.dagster
# What is imported is compiled once and kept, whatever the environment says: a hundred processes start in the tests. To compile
# all that is installed would take half a minute more.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint check dev bench bench-full bench-versus same conformance canary format lock clean mutants formulas

demo: .venv/run
	$(BIN)/sigma-assets demo

test: .venv/test
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: .venv/test
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

# The formulas in the methodology, from the code.
formulas: .venv/test
	$(BIN)/python -m sigma_assets_tests.reports.explain.document docs/methodology.md

# Does any test notice a wrong calculation? A quarter of an hour.
mutants: .venv/test
	$(BIN)/python -m sigma_assets_tests.mutants $(MUTANTS_ARGS)

dev: .venv/run
	$(BIN)/sigma-assets dev

# What the pipeline costs on this machine; bench-full has the sizes of docs/performance.md and takes an hour.
bench: .venv/test
	$(BIN)/python -m benchmarks

bench-full: .venv/test
	$(BIN)/python -m benchmarks --full

# This tree against another commit, alternately, and against Dagster's floor: make bench-versus REF=a275769
bench-versus: .venv/test
	@test -n "$(REF)" || { echo "make bench-versus REF=COMMIT: which commit to compare with?"; exit 2; }
	$(BIN)/python -m benchmarks.versus --ref $(REF) $(VERSUS_ARGS)

# Does this tree store and export the same numbers as another commit, to the last bit? make same REF=main
same: .venv/test
	@test -n "$(REF)" || { echo "make same REF=COMMIT: which commit to compare with?"; exit 2; }
	$(BIN)/python -m benchmarks.same --ref $(REF) $(SAME_ARGS)

# Dagster's own storage suites, from the sources of the installed release, on our storages. A minute.
conformance: .venv/test
	$(BIN)/python -m sigma_assets_tests.conformance $(CONFORMANCE_ARGS)

# The newest Dagster, pre-releases too, in an environment that is thrown away: definitions load, one onboarding.
canary: .venv/test
	$(BIN)/python -m sigma_assets_tests.canary

format: .venv/test
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

# Exact versions for Python 3.11 to 3.13, used as constraints by both installs below.
lock: .venv/uv
	UV_SYSTEM_CERTS=1 $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras \
	  --no-annotate --no-header pyproject.toml -o $(LOCK)

clean:
	rm -rf .venv .dagster build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "Python 3.11 to 3.13 is needed, found: $$($(PYTHON) --version). Try: make demo PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv .venv
	touch $@

# uv installs in a fifth of pip's time; where it cannot be had, pip does the same.
.venv/uv: .venv/python
	$(BIN)/pip install --quiet --disable-pip-version-check uv || echo "uv is not to be had: pip will do"
	touch $@

.venv/run: .venv/uv pyproject.toml $(LOCK)
	$(UV) -c $(LOCK) -e . || $(BIN)/pip install --quiet -c $(LOCK) -e .
	touch $@

.venv/test: .venv/uv pyproject.toml $(LOCK)
	$(UV) -c $(LOCK) -e '.[yahoo,test]' || $(BIN)/pip install --quiet -c $(LOCK) -e '.[yahoo,test]'
	touch $@ .venv/run
