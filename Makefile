# fleetfold: `make demo` shows the main job, `make test` proves it. Both set up what they need in .venv.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Caches of compiled code save each process of the tests its first second; an environment that forbids them is overruled.
export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help demo test thorough check unit integration acceptance postgres bench fmt docs clean

help:
	@echo "make demo    the main job, end to end: a broker, a master, three applications"
	@echo "make test    ruff, mypy, import-linter, all tests, branch coverage"
	@echo "make thorough  the same, with five times the examples, seeds and rounds, with the long tests and containers"
	@echo "make check   the static checks alone"
	@echo "make postgres  a PostgreSQL for the tests, from the system's packages, where it is missing and can be had"
	@echo "make bench   benchmarks, written as JSON to bench/results; BENCH_FLAGS=\"--against REV\" compares"
	@echo "make fmt     format the code"
	@echo "make docs    the reference pages, from the code"

$(STAMP): pyproject.toml
	@tests/support/install.sh $(PYTHON) $(VENV)
	@touch $(STAMP)

demo: $(STAMP)
	@$(BIN)/fleetfold demo $(DEMO_FLAGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy bench tests/typing
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/lint-imports

unit integration acceptance: $(STAMP)
	$(BIN)/pytest tests/$@

# Tests that need it find it by themselves; where it cannot be had, they are skipped and say so.
postgres:
	@tests/support/postgres.sh

DEAR = dear and not alone and not long

test: check postgres
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --quiet --numprocesses 3 --dist loadfile -m "not dear" tests/unit tests/integration
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered --sort=cover --fail-under=90
	$(BIN)/pytest --quiet --numprocesses 3 --dist loadfile --no-loadscope-reorder --durations 25 -m "$(DEAR)" \
		tests/acceptance tests/unit tests/integration
	$(BIN)/pytest --quiet -m alone tests/acceptance

thorough: DEAR = dear and not alone
thorough: export FLEETFOLD_EFFORT = 5
thorough: export PYTEST_ADDOPTS = --timeout=3600
thorough: export FLEETFOLD_CONTAINERS = 1
thorough: test

bench: $(STAMP)
	$(BIN)/python -m bench $(BENCH_FLAGS)

fmt: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP)
	$(BIN)/python docs/reference/make.py

clean:
	rm -rf $(VENV) .coverage* .mypy_cache .pytest_cache .ruff_cache bench/results
