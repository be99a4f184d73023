# `make demo` and `make test` each do all the set-up they need on a machine with Python 3.11 and its venv module.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: setup demo test check bench clean
.DEFAULT_GOAL := setup

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	@echo "installing reeltop into $(VENV) (a few minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP_INSTALL) "pip>=25.1"
	@$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "installing the tools that check and test reeltop"
	@$(PIP_INSTALL) --group dev
	@touch $@

demo: setup
	@$(BIN)/reeltop demo

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: check
	$(BIN)/pytest -n 3  # tests of processes and screens wait a good part of their time

# benchmarks/peers and benchmarks/faults are left out: the one installs other trackers from a network, the other kills
# for hours. They are run by hand: python -m benchmarks.peers, python -m benchmarks.faults.
bench: $(VENV)/.installed-dev
	@for script in benchmarks/*.py; do \
		name=$$(basename $$script .py); echo "== $$name"; $(BIN)/python -m benchmarks.$$name || exit 1; \
	done

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache
