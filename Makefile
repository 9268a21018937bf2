# Each target installs what it needs into this checkout (.venv) and the user's cache folder.
SHELL := /bin/bash
PY := .venv/bin/python
ARGS ?=
.DEFAULT_GOAL := help
.PHONY: help install demo test check lint types unit mutants bench soak lock clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: .venv/.installed ## all that the other targets need, into .venv

.venv/.installed: requirements/dev.lock requirements/uv.lock pyproject.toml
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Rowferry needs Python 3.11 or newer; this is $$(python3 --version)."; exit 1; }
	@test -x $(PY) || { echo "Making .venv …"; python3 -m venv .venv || { echo "No venv: install your system's python3-venv package."; exit 1; }; }
	@echo "Installing the locked packages (about 0.8 GB in .venv) …"
	@$(PY) -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r requirements/uv.lock
	@.venv/bin/uv pip sync -q --compile-bytecode --python $(PY) --require-hashes requirements/dev.lock \
	  || { echo "uv could not install; trying pip …"; $(PY) -m pip install -q --require-hashes --no-deps -r requirements/dev.lock; }
	@.venv/bin/uv pip install -q --python $(PY) --no-deps --no-build-isolation -e . \
	  || $(PY) -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@

demo: install ## the whole path on a stack of its own; ARGS="--rows 20000 --seconds 20 --json"
	@.venv/bin/rowferry demo $(ARGS)

check: install ## format, lint, types, layers, taste, unit tests: under a minute
	@$(MAKE) --no-print-directory -j3 --output-sync=target lint types unit

lint:
	@.venv/bin/ruff format --check -q . || { echo "run: .venv/bin/ruff format ."; exit 1; }
	@.venv/bin/ruff check -q .
	@layers=$$(.venv/bin/lint-imports --no-cache 2>&1) || { echo "$$layers"; exit 1; }
	@used=$$(.venv/bin/deptry src 2>&1) || { echo "$$used"; exit 1; }

types:
	@.venv/bin/mypy

unit:
	@$(PY) -m pytest -q tests/test_taste.py tests/test_docs.py tests/unit tests/properties -m "not real" -n 3 --dist loadfile --hypothesis-profile=quick

test: install ## every test, on real parts; ARGS="-k name" for some
	@$(PY) -m pytest -n 2 --dist loadfile $(ARGS)

mutants: install ## break the product on purpose; the tests must notice each time
	@$(PY) -m pytest -q tests/mutants --run-mutants $(ARGS)

bench: install ## rates and latencies, beside those of others; ARGS="codec --json"
	@$(PY) -m bench $(ARGS)

soak: install ## random faults and hostile bytes for hours; ARGS="-k codec"
	@.venv/bin/uv pip install -q --python $(PY) --require-hashes --no-deps -r requirements/fuzz.lock
	@$(PY) -m pytest -q tests/properties -n 2 --hypothesis-profile=soak
	@$(PY) -m pytest tests -m soak --run-soak $(ARGS)

lock: install ## requirements/*.lock anew
	@.venv/bin/uv pip compile -q -U pyproject.toml --extra stack --group dev --generate-hashes --no-emit-index-url --no-header --no-annotate -o requirements/dev.lock
	@echo atheris | .venv/bin/uv pip compile -q -U - --generate-hashes --no-emit-index-url --no-header --no-annotate -o requirements/fuzz.lock
	@grep -A100 '^uv==' requirements/dev.lock | awk 'NR==1 || /^    /{print; next} {exit}' > requirements/uv.lock

clean: ## remove what the targets made in this checkout
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .rowferry dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
