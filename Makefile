# Every target makes the virtual environment it needs; only Python 3.11 or later has to be there.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin
export DOCS QUESTION

.DEFAULT_GOAL := help
.PHONY: help demo test coverage lint types bench docs clean

help: ## what can be made
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

demo: $(VENV)/local ## questions to the standard library's documentation; DOCS=folder QUESTION="..." for your own
	@$(RUN)/ragdiet demo $(if $(DOCS),--docs "$$DOCS") $(if $(QUESTION),--question "$$QUESTION")

test: $(VENV)/dev ## the tests
	$(RUN)/pytest

coverage: $(VENV)/dev ## the tests, and which lines they do not reach; takes twice as long
	$(RUN)/pytest --cov --cov-report=term

lint: $(VENV)/dev ## formatting, lint, and the import floors
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/lint-imports

types: $(VENV)/dev ## mypy --strict
	$(RUN)/mypy

bench: $(VENV)/dev ## quality on public sets; DATA=folder
	$(RUN)/python -m benchmarks.quality $(if $(DATA),--data '$(DATA)')

docs: $(VENV)/dev ## run the examples of the README and the docs
	$(RUN)/pytest tests/test_docs.py

clean: ## remove the virtual environment and all caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage dist

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'ragdiet needs Python 3.11 or later: make PYTHON=python3.11'; exit 1; }
	$(PYTHON) -m venv $(VENV)

# A stamp for each set of dependencies: installed again when pyproject.toml changes.
$(VENV)/local: pyproject.toml | $(VENV)/bin/python
	$(RUN)/python -m pip install --quiet --editable '.[local]'
	@touch $@

$(VENV)/dev: pyproject.toml | $(VENV)/bin/python
	$(RUN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/local
