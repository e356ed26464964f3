# Everything a person or a robot does with this checkout. `make` alone lists it.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
PY = $(VENV)/bin/python
PYTEST_ARGS ?=

# Targets below stand in relative paths only: make cannot name a file in "My Projects".
.PHONY: help demo test test-services test-browser drill lint bench bench-peers lock clean
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' Makefile | while IFS='|' read -r name what; do \
		printf '%-22s %s\n' "$$name" "$$what"; done

demo: $(VENV)/.demo ## the whole thing on 127.0.0.1:$PORT (8000), with simulated phones
	@exec $(PY) manage.py demo

test: $(VENV)/.test ## the suite on SQLite: no service, no browser
	env -u DATABASE_URL $(PY) -m pytest -m "not service" $(PYTEST_ARGS)

test-services: $(VENV)/.services ## the suite on PostgreSQL, MariaDB, Redis and RabbitMQ
	.ci/test-services $(PY) $(PYTEST_ARGS)

test-browser: $(VENV)/.browser ## the console in Chromium
	@.ci/browser
	env -u DATABASE_URL DJANGO_ALLOW_ASYNC_UNSAFE=1 $(PY) -m pytest tests/browser $(PYTEST_ARGS)

drill: $(VENV)/.services ## workers killed, databases cut, providers that misbehave: docs/drills.md
	.ci/drill $(PY) $(PYTEST_ARGS)

lint: $(VENV)/.lint ## style, types, architecture, migrations
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -c 'from importlinter.cli import lint_imports_command as lint; lint()'
	$(PY) manage.py makemigrations --check --dry-run

bench: .venv-bench/.bench ## how fast it is, against h2load; BENCH_DEVICES sets the size
	.venv-bench/bin/python -m benchmarks

bench-peers: .venv-bench/.bench ## what the same push costs with others: see docs/benchmarks.md
	.venv-bench/bin/python -m benchmarks.peers

clean: ## remove all that was made here, the demo's data too
	rm -rf .venv .venv-* .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache \
		.hypothesis .coverage* htmlcov artifacts benchmarks/build benchmarks/latest.json var \
		benchmarks/peers.json benchmarks/peers/node/*/node_modules
	find . -name __pycache__ -prune -exec rm -rf {} +

# A virtual environment that works is kept, one that was interrupted is made anew.
%/.created:
	@if [ -z "$(PYTHON)" ]; then \
		echo "No Python 3.11 or newer was found. Install one, or name it: make PYTHON=/path/to/python3"; \
		exit 1; fi
	@if ! $*/bin/python -m pip --version >/dev/null 2>&1; then \
		echo "Making $* with $$($(PYTHON) --version)"; \
		$(PYTHON) -m venv --clear $* || { rm -rf $*; \
			echo "On Debian and Ubuntu, virtual environments need: apt install python3-venv"; \
			exit 1; }; fi
	@touch $@

# What is installed is written down in requirements/, exactly; a stamp says that it was. The
# checkout itself is installed editable, with the build back end that is in those requirements.
define install
@echo "Installing $<"
@$(@D)/bin/python -m pip $(QUIET) -r $<
@$(@D)/bin/python -m pip $(QUIET) --no-deps --no-build-isolation --editable .
@touch $@
endef
QUIET = install --quiet --disable-pip-version-check --no-input

$(VENV)/.%: requirements/%.txt pyproject.toml $(VENV)/.created
	$(install)

.venv-bench/.bench: requirements/bench.txt pyproject.toml .venv-bench/.created
	$(install)

.PRECIOUS: %/.created

# One resolution for all, then its parts, so that no two files name different versions.
LOCK = .venv-lock/bin/uv pip compile --quiet --no-config pyproject.toml --universal \
	--python-version 3.11 --upgrade --no-annotate --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock"
DEMO = --extra api --extra celery --extra postgresql --extra simulator --group demo
TEST = $(DEMO) --extra pyfcm --group test

lock: .venv-lock/.created ## choose new versions of everything, into requirements/
	.venv-lock/bin/python -m pip $(QUIET) uv
	$(LOCK) $(TEST) --group services --group browser --group bench --group lint \
		-o requirements/constraints.txt
	$(LOCK) -c requirements/constraints.txt $(DEMO) -o requirements/demo.txt
	$(LOCK) -c requirements/constraints.txt $(TEST) -o requirements/test.txt
	$(LOCK) -c requirements/constraints.txt $(TEST) --group services -o requirements/services.txt
	$(LOCK) -c requirements/constraints.txt $(TEST) --group browser -o requirements/browser.txt
	$(LOCK) -c requirements/constraints.txt $(TEST) --group lint -o requirements/lint.txt
	$(LOCK) -c requirements/constraints.txt --extra postgresql --group bench -o requirements/bench.txt
