# demo · test · bench · lint: the only spells anyone has to remember. Each sets up what it needs.
#
#   make demo     a real head in over DICOM, SEG and SR out (Python 3.11+, no root, no Docker)
#   make test     every test, with the real peers where they can be installed
#   make bench    the benchmarks, peers interleaved in one run
#   make lint     ruff, mypy, import contracts
#   make install  the base install alone, for a machine that runs the node

SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.13 || command -v python3.12 || command -v python3.11 || command -v python3)
CASE ?= brain
ONLY ?=
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip install --quiet --disable-pip-version-check
KEY := $(shell sha256sum pyproject.toml | cut -c1-12)
BASE := $(VENV)/.base-$(KEY)
FULL := $(VENV)/.full-$(KEY)

.PHONY: demo test bench lint install clean peers
.DELETE_ON_ERROR:

demo: $(BASE)
	@$(RUN) -m bench.demo --case $(CASE)

test: $(FULL) peers
	$(RUN) -m pytest -n 2 --dist worksteal -rs -q

bench: $(FULL) peers
	@$(RUN) -m bench --only "$(ONLY)"

lint: $(FULL)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

install: $(BASE)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "radnode needs Python 3.11 or newer; name it: make PYTHON=/usr/bin/python3.12 …"; exit 1; }
	@echo "Making a virtual environment with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)

# The base install carries no torch; the test install adds it, first and pinned, so that nothing
# else pulls another build.
$(BASE): pyproject.toml | $(VENV)/bin/python
	@echo "Installing the pinned dependencies"
	@$(PIP) -e .
	@touch $@

$(FULL): pyproject.toml | $(VENV)/bin/python
	@echo "Installing the pinned dependencies, torch and the tools of the tests"
	@$(PIP) torch==2.13.0
	@$(PIP) -e '.[postgresql,torch,export,test,lint]'
	@touch $@ $(BASE)

# The real peers of the tests. Debian only, and only where we may; otherwise their tests say why
# they are skipped (and fail when CI=true).
peers:
	@bash tests/peers.sh

clean:
	rm -rf $(VENV) .demo build *.egg-info
