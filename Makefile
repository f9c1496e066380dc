# demo · test · bench · lint: the only spells anyone has to remember. Each sets up what it needs.
#
#   make demo     a real head in over DICOM, SEG and SR out (Python 3.11+, no root, no Docker);
#                 CASE=ct: a chest CT, and its organs
#   make test     every test, with the real peers where they can be installed
#   make bench    the benchmarks, peers interleaved in one run (ONLY=receive,turnaround,...)
#   make lint     ruff, mypy, import contracts
#   make install  the base install alone, for a machine that runs the node
#   make clean    away with the virtual environment and the demonstration
#
# Another Python: make PYTHON=/usr/bin/python3.12 demo

SHELL := /bin/bash
PYTHON ?=
CASE ?= brain
ONLY ?=
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip install -qq --disable-pip-version-check
# A stamp bears the digest of pyproject.toml and of where it lies: other pins or another place,
# another install.
KEY := $(shell { cat pyproject.toml Makefile; echo "$(CURDIR)"; } | sha256sum | cut -c1-12)
BASE := $(VENV)/.base-$(KEY)
FULL := $(VENV)/.full-$(KEY)

.PHONY: demo test bench lint install clean peers venv

demo: $(BASE)
	@$(RUN) -m bench.demo --case $(CASE)

# Some tools of the tests come with the environment, so it leads the path. Tests that share a server
# name it as their xdist group and stay in one process. What they write is synced all the time: in
# memory, where there is enough of it, that takes a quarter of the time, and no test can pull a plug.
SCRATCH := /dev/shm/radnode-tests-$(shell echo $$PPID)
ROOMY := $(shell df -Pm /dev/shm 2>/dev/null | awk 'NR==2 && $$4 > 6000 {print "yes"}')
test: $(FULL) peers
	@trap 'rm -rf $(SCRATCH)' EXIT; PATH="$(CURDIR)/$(VENV)/bin:$$PATH" \
	  $(RUN) -m pytest -n 2 --dist loadgroup -rs -q $(if $(ROOMY),--basetemp=$(SCRATCH))

bench: $(FULL) peers
	@$(RUN) -m bench $(if $(ONLY),--only "$(ONLY)")

lint: $(FULL)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

UNUSED := '/(pip|tests|f2py|apps|mysql|mssql|oracle)/'

# A node under systemd cannot write beside its own code, so that is compiled here (all but a few
# files of others that are no Python 3, whence the `|| true`).
install: $(BASE)
	@$(RUN) -m compileall -q -j 0 -x $(UNUSED) $(VENV)/lib node || true

# The newest Python is not always whole: a version manager's stub answers to its name but cannot
# run, Debian's has no ensurepip. So each is tried. A half-made environment is made again.
venv:
	@$(RUN) -m pip --version >/dev/null 2>&1 && exit 0; \
	for python in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
	  "$$python" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  echo "Making a virtual environment with $$("$$python" --version)"; \
	  exec "$$python" -m venv --clear $(VENV); \
	done; \
	echo "radnode needs Python 3.11 or newer with venv (Debian: apt install python3-venv);" \
	  "name it: make PYTHON=/usr/bin/python3.12 ..." >&2; exit 1

# The base install carries no torch. Without compiling it is 50 MB smaller (a first run compiles the
# little that it uses), without the setuptools that came with the environment another 9.
$(BASE): | venv
	@echo "Installing the pinned dependencies"
	@$(PIP) --no-compile -e .
	@$(RUN) -m pip uninstall -qq -y setuptools 2>/dev/null || true
	@touch $@

# nnU-Net's networks, to import what it trained. Alone: what it asks for besides is for other networks,
# and would bring a torchvision that does not go with a torch for CPUs.
NNUNET := dynamic-network-architectures==0.4.4

# torch first and alone, so that nothing else pulls another build of it.
$(FULL): | venv
	@echo "Installing the pinned dependencies, torch and the tools of the tests"
	@$(PIP) torch==2.13.0
	@$(PIP) -e '.[postgresql,torch,export,train,test,lint]'
	@$(PIP) --no-deps $(NNUNET)
	@touch $@ $(BASE)

# The real peers of the tests. Debian only, and only where we may; otherwise their tests say why
# they are skipped (and fail when CI=true).
peers:
	@bash tests/peers.sh

clean:
	rm -rf $(VENV) .demo build *.egg-info
