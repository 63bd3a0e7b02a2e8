.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help
help: ## Say what each target does
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml requirements.txt requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

.PHONY: demo
demo: $(READY) ## Run a file of prompts offline: killed half-way, carried on with, totalled
	sh jobs/demo.sh $(BIN)/wbatch

.PHONY: test
test: $(READY) ## Run every test, offline
	$(BIN)/pytest

.PHONY: lint
lint: $(READY) ## Check style and formatting
	$(BIN)/ruff check batch tests
	$(BIN)/ruff format --check batch tests

.PHONY: format
format: $(READY) ## Format, and mend what can be mended by itself
	$(BIN)/ruff check --fix-only batch tests
	$(BIN)/ruff format batch tests

.PHONY: types
types: $(READY) ## Check types, strictly
	$(BIN)/mypy

.PHONY: check
check: lint types test ## Everything that must hold before a change lands

.PHONY: clean
clean: ## Remove what the other targets made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build dist demo *.egg-info
