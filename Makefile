# `make` lists the targets. Everything a target needs, it makes first; nothing is installed outside
# .venv and ${XDG_CACHE_HOME:-~/.cache}/headrace.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.complete

# How many processes the tests are shared out among; a file's tests stay together.
PROCESSES ?= 2

# The tests start hundreds of processes, and compiling the modules is most of a start: so bytecode is
# kept, in a folder of ours, even where it is not to be written beside the sources.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX := $(CURDIR)/$(VENV)/bytecode

# A broker of a test lives for seconds: it would spend half of its time on optimising machine code.
QUICK_JAVA := -XX:TieredStopAtLevel=1

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help setup demo test nightly check format bench bench-quick profile plots stack stack-down stack-status faults clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP)  ## make .venv with everything in it (quick when it is there)

$(STAMP): pyproject.toml
	@PYTHON="$(PYTHON)" sh .ci/venv $(VENV)
	@$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -e '.[service,demo,dev]'
	@touch $@

demo: setup  ## flights through embedded Kafka and Redis, live in the terminal
	@$(BIN)/headrace demo

test: check  ## lint and types, unit tests, then the integration suite on embedded and on real parts
	@JDK_JAVA_OPTIONS=$(QUICK_JAVA) $(BIN)/python -m pytest tests -n $(PROCESSES) --dist loadfile --no-loadscope-reorder --durations=20

nightly: setup  ## ten thousand random definitions over random streams: panes, testing and recomputation against the oracle
	@CASES=10000 $(BIN)/python -m pytest -q tests/panes/test_panes_against_oracle.py tests/testing/test_one_meaning.py tests/offline/test_point_in_time.py tests/offline/test_as_of.py

check: setup  ## ruff, formatting, mypy --strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict

format: setup  ## let ruff format and mend what it can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup  ## Headrace and its peers on one broker, every other figure, profile and plots; writes docs/performance.md
	-@$(BIN)/python -m bench  # a section without figures says so, and leaves out nothing else
	@$(BIN)/python -m bench.profile
	@$(MAKE) plots

bench-quick: setup  ## under ten minutes: warns when W1 fell by a fifth against yardsticks of the same run
	@$(BIN)/python -m bench.quick

plots: setup  ## how cost grows, measured and drawn
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	@$(BIN)/python -m bench.growth
	@$(BIN)/python -m bench.plots

profile: setup  ## a flame graph of a worker, and microseconds an event by stage
	@$(BIN)/python -m bench.profile

stack: setup  ## start the real Kafka, registry, S3 and Redis on free ports
	@$(BIN)/python -m tests.stack up

stack-down: setup  ## stop them
	@$(BIN)/python -m tests.stack down

stack-status: setup  ## where they answer
	@$(BIN)/python -m tests.stack status

faults: setup  ## kill, cut and pause what runs while events flow, then compare (SEEDS=3 FAULT=zombie RESUME=1)
	@$(BIN)/python -m tests.faults $(if $(SEEDS),--seeds $(SEEDS)) $(if $(FAULT),--fault "$(FAULT)") $(if $(RESUME),--resume)

clean:  ## remove .venv and what tools leave behind (not the cache of components)
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
