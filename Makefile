# Everything one does with a checkout. A target's help is the comment behind its name; `make` alone prints them.
# A fresh machine needs Python >= 3.11 and make.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.NOTPARALLEL:
.SUFFIXES:
MAKEFLAGS += --no-print-directory --no-builtin-rules

PYTHON ?=
LISTEN ?= 127.0.0.1:8080
DATA ?= var/innkeeper
ARGS ?=
TESTS ?= tests
WORKERS ?= 2
CODE := $(wildcard src tests bench)

VENV := $(CURDIR)/.venv
export PATH := $(VENV)/bin:$(PATH)
export PYTHON
RUN := $(VENV)/bin

NPM_TESTS := tests/clients/npm

.PHONY: help
help: ## Print this help
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: setup
setup: ## Make .venv with the locked packages and this project (PYTHON=… to choose one)
	@tools/setup.sh

.PHONY: setup-tests
setup-tests: setup ## Install what tests use besides: npm packages as real clients, a Java development kit
	@tools/npm-ci.sh $(NPM_TESTS)
	@tools/crafty-async.sh
	@tools/jdk.sh

.PHONY: run
run: setup ## Serve panel and node here; stops the game servers too (LISTEN=, DATA=, ARGS=)
	@$(RUN)/innkeeper serve --listen $(LISTEN) --data $(DATA) --stop-servers-on-exit $(ARGS)

.PHONY: check
check: setup fmt-check lint types lint-imports test ## All that CI runs: format, lint, types, imports, tests

.PHONY: test
test: setup setup-tests ## Run the tests, slow ones too (TESTS=tests/unit, ARGS="-k name", WORKERS=0: one by one)
	@$(RUN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(TESTS) $(ARGS)

.PHONY: fmt
fmt: setup ## Format the code and sort its imports
	@$(RUN)/ruff check --quiet --select I --fix $(CODE)
	@$(RUN)/ruff format $(CODE)

.PHONY: fmt-check
fmt-check: setup ## Say which files `make fmt` would change
	@$(RUN)/ruff format --check $(CODE)

.PHONY: lint
lint: setup ## Lint with ruff
	@$(RUN)/ruff check $(CODE)

.PHONY: types
types: setup ## Check types with mypy, strictly
	@$(RUN)/mypy

.PHONY: lint-imports
lint-imports: setup ## Check who imports whom against .importlinter
	@$(RUN)/lint-imports

.PHONY: bench
bench: setup ## Run the benchmarks (ARGS=…)
	@if [ -d bench ]; then $(RUN)/python -m bench $(ARGS); else echo "There are no benchmarks yet."; fi

.PHONY: lock
lock: setup ## Write requirements/ anew from pyproject.toml (UPGRADE=1 or UPGRADE="name …" for newer versions)
	@UPGRADE="$(UPGRADE)" tools/lock.sh

.PHONY: clean
clean: ## Remove caches and built files (not .venv, not var/)
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache htmlcov
	@find $(CODE) -name node_modules -prune -o -name __pycache__ -type d -exec rm -rf {} +

.PHONY: distclean
distclean: clean ## Remove what setup made, too: .venv and node_modules
	@rm -rf .venv $(NPM_TESTS)/node_modules ui/node_modules
