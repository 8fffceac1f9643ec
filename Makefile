# `make` alone lists the targets.
VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin
PROCESSES ?= 2
PARALLEL := -n $(PROCESSES) --dist worksteal
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help install run test test-long soak check check-web fix bench schema reference docs lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Dealmark needs Python 3.11 or newer; set PYTHON=/path/to/python3."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the dependencies into $(VENV) ..."
	@# The lock is complete. Without --no-deps an older pip takes a newer release than the lock's for what is asked for with extras.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

install: $(READY) ## create .venv with every dependency, pinned by hash

run: $(READY) ## start everything: PostgreSQL, Redis, migrations, sample catalogue, worker, API
	@exec $(BIN)/dealmark up

test: $(READY) ## run all tests in two processes, with minimum coverage; ARGS="-k name" runs some of them, in one process
	@$(BIN)/python -m pytest $(if $(ARGS),$(ARGS),$(PARALLEL) --cov --cov-report=term)

test-long: $(READY) ## randomized tests with more examples: about 10 minutes
	@$(BIN)/python -m pytest $(PARALLEL) -m sized --effort long $(ARGS)

soak: $(READY) ## randomized tests with as many examples as fit in a night (ARGS="--seed tonight" uses another random seed)
	@$(BIN)/python -m pytest $(PARALLEL) -m sized --effort soak $(ARGS)

check: $(READY) check-web docs ## formatting, lint, types, import contracts, spelling, documentation; of the web page, too
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/codespell

check-web: $(READY)
	@$(BIN)/python -m app.devserver.web_build check

fix: $(READY) ## format, and apply the fixes that ruff knows
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/python -m app.devserver.web_build fix

bench: $(READY) ## benchmarks: ratios measured side by side in one run
	@$(BIN)/python -m bench $(ARGS)

schema: $(READY) ## write schema.graphql from the code
	@$(BIN)/dealmark schema > schema.graphql

reference: $(READY) ## write the generated pages of docs/reference from the code
	@$(BIN)/python -m scripts.generate_reference

docs: $(READY) ## build the documentation into build/docs, offline and with every warning an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lock: $(READY) ## resolve the newest dependencies into requirements.lock
	@$(BIN)/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras --all-extras \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header --output-file requirements.lock pyproject.toml

clean: ## remove .venv, caches and the built page; .dealmark (your data) stays
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .coverage* *.egg-info build web/node_modules web/src/gql app/web_dist
