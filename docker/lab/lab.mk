# The lab's targets, the load tool, and what is generated from the sources.
# docs/deploy.md describes all of them; `make help` lists them.

# `docker compose` (v2) where there is one, else `docker-compose` 1.29.
COMPOSE ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
LAB     := $(COMPOSE) -p waypost-lab -f docker/compose.yml
IN_LAB  := $(LAB) exec -T

TARGET    ?= 127.0.0.5:5060
SCENARIO  ?= journey
RATE      ?= 20
SECONDS   ?= 30
TRANSPORT ?= udp

.PHONY: load man deb deb-test requirements lab-tools lab-build lab-up lab-journey lab-load lab-cutover \
        lab-kill-front-end lab-kill-proxy lab-kill-node lab-logs lab-down lab-test lab-console

load: ## sipp against any proxy: TARGET=host:port SCENARIO=journey RATE=200 SECONDS=60
	@python3 -m tests.sipp.load --target $(TARGET) --scenario $(SCENARIO) --rate $(RATE) \
		--seconds $(SECONDS) --transport $(TRANSPORT) $(if $(CONFIG),--config $(CONFIG)) $(ARGS)

man: $(RUN) ## write the manual page build/waypost.1
	@mkdir -p build
	@$(BIN)/waypost man > build/waypost.1

deb: ## one Debian package in dist/, compiled; VERSION=0.2.0 names another
	@bash .ci/packages --venv "$(PYTHON)"
	@PYTHON="$(PYTHON)" bash packaging/deb . dist $(VERSION)

# FROM is built without optimising where it can be: it is only installed and started.
deb-test: PACKAGES := debootstrap iproute2 util-linux
deb-test: packages $(DEV) $(STAMP) ## the package installed, upgraded from FROM=REV, removed in the lab's base image (root)
	@rm -rf build/deb && mkdir -p build/deb/before
	@landed=$$(bash packaging/landed $(FROM)) && echo "deb-test: upgrades from $$(git log -1 --format='%h %s' $$landed)" \
		&& git archive $$landed | tar -C build/deb/before -xf -
	@PYTHON="$(PYTHON)" WAYPOST_OPTIMIZE=0 PROFILE=0 bash packaging/deb build/deb/before build/deb 0.0.1
	@PYTHON="$(PYTHON)" WHEEL="$$(ls $(BUILT)/wheel/waypost-*.whl)" bash packaging/deb . build/deb
	@WAYPOST_DEB="$$(ls build/deb/waypost_0.0.1_*.deb):$$(ls build/deb/waypost_*.deb | grep -v _0.0.1_)" \
		$(BIN)/python -m pytest -s tests/lab/test_deb.py $(ARGS)

requirements: $(RUN) ## pin what the image installs, with hashes, into docker/requirements*.txt
	@python3 -m venv build/uv && build/uv/bin/pip install --quiet uv
	@build/uv/bin/uv pip compile pyproject.toml --output-file docker/requirements.txt $(PIN)
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
		| build/uv/bin/uv pip compile - \
		--output-file docker/requirements-build.txt $(PIN)
	@build/uv/bin/uv pip compile pyproject.toml --extra console --output-file docker/requirements-console.txt $(PIN)

PIN := --quiet --upgrade --generate-hashes --universal --python-version 3.11 \
       --no-annotate --custom-compile-command 'make requirements'

lab-tools:
	@command -v $(firstword $(COMPOSE)) >/dev/null || { \
		echo "neither 'docker compose' nor 'docker-compose' is installed;" \
			"Debian: apt-get install docker.io docker-compose"; exit 1; }
	@docker info >/dev/null 2>&1 || { \
		echo "no container engine answers: start docker, or say where it is with" \
			"DOCKER_HOST (make run needs none)"; exit 1; }

lab-build: lab-tools
	@$(LAB) build waypost
	@$(LAB) build dns

lab-up: lab-tools $(if $(filter no,$(LAB_BUILD)),,lab-build) ## the migration in containers: old service, new pool, Waypost, Prometheus
	@$(LAB) up -d --no-build
	@bash docker/lab/wait $(LAB)
	@echo "up: make lab-journey, lab-load, lab-cutover, lab-kill-front-end, lab-down"

lab-console: lab-tools ## the console of the lab, and a token for it
	@$(if $(filter no,$(LAB_BUILD)),:,$(LAB) build console)
	@$(LAB) up -d --no-build console
	@$(LAB) exec -T waypost waypost token new lab-$$(date +%H%M%S) --role admin --days 1
	@echo "console at https://localhost:$${LAB_CONSOLE_PORT:-8443} (its certificate is its own)"

lab-journey: lab-tools ## a legacy client's start through the lab, step by step
	@$(IN_LAB) client python3 journey.py 172.30.60.31 172.30.60.5 $(TRANSPORT)

lab-load: lab-tools ## sipp load inside the lab: SCENARIO, RATE, SECONDS, TRANSPORT
	@bash docker/lab/load $(RATE) $(SECONDS) $(SCENARIO) $(TRANSPORT) $(LAB)

lab-cutover: lab-tools ## stop the old Lookup service, create the endpoint, play the journey
	@bash docker/lab/cutover $(LAB)

# A dialog ends with the front end that holds it: `failover` asks that every call be
# answered, not that the BYE of a dead dialog be.
lab-kill-front-end: lab-tools ## load while fe1 is killed and comes back: no call may fail
	@bash docker/lab/kill fe1 $(RATE) $(SECONDS) failover $(LAB)

lab-kill-proxy: lab-tools ## 60 dialogs while Waypost is killed and comes back: none may fail
	@bash docker/lab/kill waypost 20 3 hold $(LAB)

lab-kill-node: lab-tools ## load on one node, dialogs, REGISTERs and changes on the other, which is killed: nothing is lost
	@bash docker/lab/kill-node $(RATE) $(SECONDS) $(LAB)

lab-logs: lab-tools ## what every part of the lab says
	@$(LAB) logs --tail 50

lab-down: lab-tools ## stop the lab and forget its state
	@$(LAB) --profile console down --volumes --remove-orphans

lab-test: $(DEV) ## all of the above with an engine of its own, as CI runs it (needs root)
	@WAYPOST_LAB=1 $(BIN)/python -m pytest tests/lab/test_containers.py tests/bench/test_compare.py $(ARGS)
