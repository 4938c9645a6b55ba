# Everything a person types: `make run`, `make test`, `make check`, `make bench`.
# Each target does its own set-up; a second run finds its stamp and skips it.

# Debian's own interpreter is a profile-guided build, about 30 % faster than one
# compiled by hand; so it comes first when it is new enough.
PYTHON ?= $(shell /usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
            2>/dev/null && echo /usr/bin/python3 || echo python3)
VENV   := .venv
BIN    := $(VENV)/bin
RUN    := $(VENV)/.stamp-run
DEV    := $(VENV)/.stamp-dev
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# The virtual environment above runs the checkout as plain Python: what you edit is what
# runs.  This one holds what users install: the message path compiled by mypyc.
BUILT  := .venv-built
STAMP  := $(BUILT)/.stamp
BUILT_TESTS := tests/sip tests/transaction tests/core tests/pools tests/property \
               tests/fuzz tests/torture tests/wire/test_stream.py tests/wire/test_tls_transport.py \
               tests/wire/test_udp.py tests/wire/test_udp_steady.py \
               tests/net/datagrams/test_backlog.py tests/net/datagrams/test_links.py \
               tests/net/datagrams/test_sieve.py tests/net/datagrams/test_steady.py
SOURCE := setup.py pyproject.toml config/waypost.toml $(shell find proxy -name '*.py')

# What `make test` and `make bench` need besides Python.
PACKAGES := sip-tester kamailio kamailio-extra-modules kamailio-sqlite-modules kamailio-tls-modules \
            dnsmasq baresip-core sipsak sipvicious tshark redis-server openssl \
            iproute2 util-linux faketime chromium prometheus zsh fish
BENCH_PACKAGES := stunnel4  # sipp's TLS, for `make bench` only
COUNT_PACKAGES := dnsmasq valgrind strace faketime  # for `make bench-count` only

.DEFAULT_GOAL := help
.PHONY: help run test test-built check map bench compare bench-capacity bench-count bench-growth bench-store promises soak screenshots words json format clean packages

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 20

$(BIN)/python:
	@bash .ci/packages --venv "$(PYTHON)"
	@"$(PYTHON)" -m venv $(VENV)

$(RUN): pyproject.toml | $(BIN)/python
	@echo "set-up: Python packages into $(VENV) (once)"
	@WAYPOST_PURE=1 $(PIP) -e '.[console]'
	@touch $@

$(DEV): pyproject.toml | $(BIN)/python
	@echo "set-up: Python packages for tests and checks into $(VENV) (once)"
	@WAYPOST_PURE=1 $(PIP) -e '.[test,check]'
	@touch $@ $(RUN)

$(STAMP): $(SOURCE) packaging/wheel | $(BIN)/python
	@echo "set-up: Waypost as packages and images have it, compiled by a profile of a lab's calls, into $(BUILT) (some minutes)"
	@[ -x $(BUILT)/bin/python ] || "$(PYTHON)" -m venv $(BUILT)
	@# What it needs, and for the training a Waypost that need not be compiled.
	@WAYPOST_PURE=1 $(BUILT)/bin/python -m pip install --quiet --disable-pip-version-check '.[test]'
	@rm -rf $(BUILT)/wheel
	@PYTHON=$(BUILT)/bin/python packaging/wheel . $(BUILT)/wheel
	@# The same version again is no upgrade for pip.
	@$(BUILT)/bin/python -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps $(BUILT)/wheel/waypost-*.whl
	@touch $@

packages:
	@bash .ci/packages $(PACKAGES)

run: $(RUN) ## the proxy with a small lab around it, the legacy journey through it (ONCE=1: leave after it; MIGRATION=1: a whole weekend)
	@exec $(BIN)/waypost lab $(if $(ONCE),--once) $(if $(MIGRATION),--migration)

test: packages $(DEV) ## every test; ARGS='tests/sip -k via' picks some
	@$(if $(ARGS),$(BIN)/python -m pytest $(ARGS),bash .ci/suite $(BIN)/python)
	@$(if $(ARGS),:,$(MAKE) --no-print-directory test-built)

test-built: $(STAMP) ## the tests of the message path against the compiled build
	@rm -rf $(BUILT)/run && mkdir $(BUILT)/run && cp -r tests pyproject.toml docs $(BUILT)/run
	@cd $(BUILT)/run && if ../bin/python -c "import proxy.core.proxy as m, sys; \
	    sys.exit(m.__file__.endswith('.py'))"; then \
	    WAYPOST_FUZZ=20 ../bin/python -m pytest -p no:cacheprovider $(BUILT_TESTS); \
	  else echo "no C compiler: there is no compiled build to test"; fi

check: $(DEV) ## ruff, ruff format, mypy strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

map: $(DEV) ## packages, the arrows between them, circles, what is longest (ARGS=--json)
	@$(BIN)/python -m tests.architecture $(ARGS)

screenshots: packages $(DEV) ## the pictures of docs/console.md, of a real service and a real Chromium
	@$(BIN)/python -m tests.console.pages.screenshots docs/pictures

words: $(DEV) ## take new texts of the pages into the catalogues of their languages
	@cd proxy/console/pages && for file in catalogues/*.po; do \
	  $(CURDIR)/$(BIN)/pybabel -q extract -F $(CURDIR)/pyproject.toml -k N_ --no-location \
	    --omit-header -o .pot . && \
	  $(CURDIR)/$(BIN)/pybabel -q update -i .pot -o $$file -l $$(basename $$file .po) --no-fuzzy-matching \
	    --ignore-obsolete -w 88; rm -f .pot; done

json: $(DEV) ## docs/json.md and its schema, from the shapes of proxy/console/schemas
	@$(BIN)/python -m proxy.console.schemas.page docs

format: $(DEV) ## let ruff put the code in order
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: PACKAGES += $(BENCH_PACKAGES)
bench-count: PACKAGES := $(COUNT_PACKAGES)
bench: packages $(DEV) $(STAMP) ## CPU per call of Waypost against Kamailio, same work, same run (ARGS='--rate 200')
	@$(BIN)/python -m tests.bench $(ARGS)

compare: PACKAGES := sip-tester dnsmasq iproute2 util-linux $(if $(filter tls,$(TRANSPORT)),stunnel4 openssl)
compare: packages $(DEV) ## two revisions side by side, in turns of a second: A=main~10 B=main SCENARIO=journey (or invite, subscribe)
	@$(BIN)/python -m tests.bench.compare $(if $(A),--a='$(A)') $(if $(B),--b='$(B)') \
	    $(foreach each,SCENARIO RATE SECONDS TRANSPORT ROUNDS,$(if $(filter command environment,$(firstword \
	    $(origin $(each)))),--$(shell echo $(each) | tr A-Z a-z)='$($(each))')) $(ARGS)

bench-capacity: packages $(DEV) $(STAMP) ## calls/s of one and of two processes, each held to the same part of a core (root)
	@$(BIN)/python -m tests.bench.capacity $(ARGS)

bench-count: packages $(DEV) $(STAMP) ## instructions and system calls of a call, counted and not timed (ARGS='--build PATH')
	@$(BIN)/python -m tests.bench.counted $(ARGS)

bench-growth: packages $(DEV) $(STAMP) ## CPU and memory against calls/s, endpoints, bindings, front ends, connections, workers (ARGS=--small)
	@$(BIN)/python -m tests.bench.growth $(ARGS)

bench-store: packages $(DEV) ## a Redis store with 100,000 bindings: start, look-up, REGISTER (ARGS='--bindings N')
	@$(BIN)/python -m tests.bench.store $(ARGS)

soak: FUZZ := 600
soak: PACKAGES += clang libclang-rt-dev
soak: packages $(DEV) $(STAMP) ## loads that take longer: front end, worker, node and cutover killed under calls; 1,000 REGISTERs/s
	@WAYPOST_PURE=1 $(PIP) -e '.[fuzz]' || echo "atheris cannot be had here: fuzzing without it"
	@$(BIN)/python -m tests.fuzz --seconds $(FUZZ)
	@rm -rf $(BUILT)/run && mkdir $(BUILT)/run && cp -r tests pyproject.toml docs $(BUILT)/run
	@cd $(BUILT)/run && ../bin/python -m tests.fuzz --seconds $(FUZZ)
	@WAYPOST_SOAK=500x60 $(BIN)/python -m pytest tests/sipp -k failover $(ARGS)
	@WAYPOST_SCHEMA=60 $(BIN)/python -m pytest tests/console/test_schema.py
	@$(BIN)/python -m tests.bench.endurance
	@WAYPOST_KILLS=200 WAYPOST_SOAK_CUTOVER=300x60 WAYPOST_SOAK_LEDGER=200x60 $(BIN)/python -m pytest -s \
	    tests/cli/commands/test_cutover_kill.py tests/sipp/test_cutover.py tests/sipp/test_ledger.py
	@WAYPOST_KILLS=200 WAYPOST_SOAK_REGISTER=1000x20 $(BIN)/python -m pytest -s \
	    tests/sipp/test_register.py tests/location tests/wire/test_registrar.py \
	    -k "promise or 20_000 or look_up or kill_9"
	@WAYPOST_SOAK_NODES=300x30 WAYPOST_SOAK_WORKERS=300x30 $(BIN)/python -m pytest -s tests/chaos
	@WAYPOST_SOAK_GUARD=3600 $(BIN)/python -m pytest -s tests/wire/test_guard.py -k good_pool
	@WAYPOST_SOAK_AWAY=600 $(BIN)/python -m pytest -s tests/chaos/test_memory.py

promises: packages $(DEV) $(STAMP) ## R1 to R14 of docs/reliability.md, held or not (ARGS='R2 R9'; LONG=1: as written; PAGE=1: into the page)
	@rm -rf $(BUILT)/run && mkdir $(BUILT)/run && cp -r tests pyproject.toml docs $(BUILT)/run
	@cd $(BUILT)/run && ../bin/python -m tests.promises $(if $(LONG),--long) \
	    $(if $(PAGE),--page $(CURDIR)/docs/reliability.md) $(ARGS)

clean: ## forget the virtual environment and every cache
	@rm -rf $(VENV) $(BUILT) build .cache dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

-include docker/lab/lab.mk
