# make demo and make test do all set-up on a fresh clone; nothing else is needed but Python 3.11+.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: help setup demo test lab lint bench docs clean

help:
	@echo "make demo    run the quickstart on the simulated machine: prints the session, writes HTML"
	@echo "make test    run all tests; lists what was skipped and why"
	@echo "make lab     open the quickstart in JupyterLab"
	@echo "make lint    ruff, mypy --strict, import ladder, spelling"
	@echo "make bench   benchmarks, as ratios, and the fault matrix"
	@echo "make docs    write the generated reference pages again"

setup: $(READY)

$(READY): pyproject.toml .ci/constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "kdnb needs Python 3.11 or newer; set PYTHON=python3.x")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --disable-pip-version-check -c .ci/constraints.txt -e '.[dev]'
	@touch $(READY)

demo: $(READY)
	$(BIN)/kdnb demo

test: $(READY)
	$(BIN)/python -m pytest -q --benchmark-disable

lab: $(READY)
	$(BIN)/kdnb lab

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell kdnb tests docs README.md Makefile

bench: $(READY)
	$(BIN)/python -m pytest -q tests/benchmarks --benchmark-enable -s
	$(BIN)/python -m tests.benchmarks.fault_matrix

docs: $(READY)
	$(BIN)/python -m kdnb.protocol.reference > docs/reference/messages.md
	$(BIN)/python -m kdnb.commands.reference docs/reference/commands.md

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache dist build
