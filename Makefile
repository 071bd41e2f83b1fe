# `make serve` and `make test` need Python 3.11 or newer, pip and make; they install the rest.
.DEFAULT_GOAL := help
.PHONY: help install dev web serve test check fix lock schema released bench bench-db dist clean

HOST ?= 127.0.0.1
PORT ?= 8000
ENGINE ?= sqlite
# The first Python that is new enough; `make serve PYTHON=/path/to/python3.12` chooses another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
BIN := .venv/bin

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/'

# What an installation must match to be left as it is: the place (scripts hold its path), the locks,
# the project's own metadata, and a Python that still runs.
STAMP = $(CURDIR)|$$({ cat requirements.lock $(1); sed -n '/^\[build-system/,/^\[dependency-groups/p' pyproject.toml; } | cksum)
up_to_date = [ "$$(cat .venv/.$(2) 2>/dev/null)" = "$(STAMP)" ] && $(BIN)/python -c '' 2>/dev/null

install: ## make .venv with the locked packages and the command `orders`
	@$(call up_to_date,,installed) || { \
	  [ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer (with venv and pip) was not found; name it with PYTHON=" >&2; exit 1; }; \
	  echo "Installing into .venv ..." >&2; \
	  "$(PYTHON)" -m venv --clear .venv && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . && \
	  $(BIN)/python -m compileall -q app && \
	  printf '%s' "$(STAMP)" > .venv/.installed; }

dev: install ## add the locked development tools to .venv
	@$(call up_to_date,requirements-dev.lock,dev-installed) || { \
	  echo "Installing the development tools into .venv ..." >&2; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock && \
	  printf '%s' "$(call STAMP,requirements-dev.lock)" > .venv/.dev-installed; }

# What the built pages are made from; the stamp lies among them, and goes with them.
WEB_SOURCES = { find web -name node_modules -prune -o -type f -print; echo schema.graphql; } | LC_ALL=C sort
WEB_STAMP = $$($(WEB_SOURCES) | xargs cksum | cksum)
web_up_to_date = [ "$$(cat app/static/.built 2>/dev/null)" = "$(WEB_STAMP)" ]
# The releases that Vite runs on.
has_node = { command -v npm && node -e 'const [a, b] = process.versions.node.split(".").map(Number); \
	process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)'; } >/dev/null 2>&1
install_web = { [ "$$(cat web/node_modules/.locked 2>/dev/null)" = "$$(cksum < web/package-lock.json)" ] || { \
	  echo "Installing what the web pages are built with into web/node_modules ..." >&2; \
	  npm ci --prefix web --no-audit --no-fund --loglevel=error --fetch-retries=1 >/dev/null && \
	  cksum < web/package-lock.json > web/node_modules/.locked; }; }
build_web = { $(web_up_to_date) || { \
	  $(install_web) && echo "Building the web pages into app/static ..." >&2 && \
	  npm run --silent --prefix web build && printf '%s' "$(WEB_STAMP)" > app/static/.built; }; }

web: ## build the web pages into app/static: needs Node 20.19, or 22.12 or newer, with npm
	@$(has_node) || { echo "The web pages are built with Node 20.19, or 22.12 or newer, and npm: not found." >&2; exit 1; }
	@$(build_web)

serve: install ## run the service with demo data: PORT=8000 HOST=127.0.0.1
	@if $(has_node); then $(build_web) || echo "The web pages could not be built: the service runs without." >&2; fi
	@exec $(BIN)/orders serve --demo --host "$(HOST)" --port "$(PORT)"

test: dev ## run the tests, four at a time
	@$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

check: dev ## lint, types, import contracts, the schema, the Dockerfile (migrations are among the tests)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/orders schema export | diff -u schema.graphql - || { echo "schema.graphql is stale: run 'make schema'" >&2; exit 1; }
	$(BIN)/orders schema changes docs/released.graphql
	@if [ -x $(BIN)/hadolint ]; then echo "hadolint Dockerfile" && $(BIN)/hadolint Dockerfile; \
	  else echo "The Dockerfile is not linted: hadolint is not built for this platform." >&2; fi
	@if command -v npm >/dev/null && [ -d tests/node/node_modules/eslint ]; \
	  then echo "npm run lint" && npm run --silent --prefix tests/node lint; \
	  else echo "The schema is not linted: that needs Node 20 or newer, and npm ci in tests/node." >&2; fi
	@if $(has_node); then $(install_web) && cd web && for script in lint types "codegen -- --check"; \
	  do echo "npm run $$script" && npm run --silent $$script || exit; done; \
	  else echo "The web pages are not checked: that needs Node 20.19, or 22.12 or newer." >&2; fi

fix: dev ## format the code and mend what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schema: install ## write schema.graphql from the code
	$(BIN)/orders schema export > schema.graphql.new && mv schema.graphql.new schema.graphql

released: ## keep schema.graphql as the one of this release: later ones must not break its callers
	cp schema.graphql docs/released.graphql

bench: dev ## measure the service beside its peers, in 6 minutes: ENGINE=sqlite or postgresql
	@$(BIN)/python -m bench.compare --engine "$(ENGINE)"

bench-db: dev ## measure SQLite and PostgreSQL, in 5 minutes; the first time, make a million orders
	@$(BIN)/python -m bench.engines
	@echo
	@$(BIN)/python -m bench.growth

dist: dev web ## build the wheel and the source archive, with the web pages, into dist/
	$(BIN)/python -m hatchling build

# One lock for Python 3.11 to 3.14 on every platform; it names packages and hashes, no index.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock"
LOCK = $(COMPILE) pyproject.toml --group build
lock: ## renew the locks from pyproject.toml
	@[ -x $(BIN)/python ] || "$(PYTHON)" -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(LOCK) --upgrade -o requirements.lock
	$(LOCK) --group dev --constraint requirements.lock -o requirements-dev.lock
	$(COMPILE) --upgrade tests/clients/requirements.in -o tests/clients/requirements.lock

clean: ## remove .venv, caches and builds; the data stay
	rm -rf .venv tests/clients/.venv dist app/static tests/browser/pictures .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
