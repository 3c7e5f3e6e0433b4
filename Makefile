# `make run` and `make test` need Python 3.11 or later, make and git; everything else is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
SOURCES := orchestrion runtime actors persistence migrations tests benchmarks examples

OPENCODE := opencode-ai@1.18.33

.PHONY: run test agents conformance torture stops properties mutants check bench lint types format clean

run: .venv/run
	$(BIN)/orchestrion demo

test: .venv/dev
	$(BIN)/pytest

# Real Codex, real Claude and, where npm is, real opencode: for the tests that otherwise skip.
agents: .venv/agents .venv/opencode

# Minutes: every scenario of the conformance suite on every agent; with CASE=package.module:name on an adapter of yours; with
# AGENT=gemini on an agent of the catalogue, which is installed below .venv. AGENT=codex@latest takes its newest version.
conformance: .venv/dev
	$(if $(AGENT),$(BIN)/python -m tests.support.agent_conformance $(AGENT) $(OPTIONS),$(CONFORMANCE))

define CONFORMANCE
	ORCHESTRION_SCENARIOS=all $(BIN)/pytest $(if $(CASE),--pyargs orchestrion.testing.conformance --agent $(CASE), \
		$(addprefix tests/contract/providers/test_,conformance.py killed_host.py))
endef

# Minutes: a host killed at every crash point and at random instants, on both backends.
torture: .venv/dev
	$(BIN)/python -m tests.support.torture --kills $(or $(KILLS),300)

# Minutes: hosts cancelled at random moments, by every means, on both backends; nothing of them is left.
stops: .venv/dev
	$(BIN)/python -m tests.support.stops --times $(or $(TIMES),500) --seed $(or $(SEED),1) \
		$(if $(PROVIDERS),--providers $(PROVIDERS))

# 10 minutes on two cores, 20 with EXAMPLES=2000: properties on examples drawn from a seed that is printed. Those that open
# databases take half of EXAMPLES, those that start processes a fiftieth (tests/support/examples.py).
properties: .venv/dev
	@seed=$(or $(SEED),$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')) && echo "seed $$seed" && \
	ORCHESTRION_EXAMPLES=$(or $(EXAMPLES),1000) $(BIN)/pytest tests/property --hypothesis-seed=$$seed -o timeout=7200

# Minutes: guards removed one by one, and the tests that then have to fail.
mutants: .venv/dev
	$(BIN)/python -m tests.support.mutants

check: lint types test

bench: .venv/dev
	$(BIN)/python -m benchmarks

lint: .venv/dev
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

# With the real agents' packages: the adapters are checked against their types.
types: .venv/agents
	$(BIN)/mypy

format: .venv/dev
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/run: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[cli]'
	touch $@

.venv/dev: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[cli,dev]'
	touch $@ .venv/run

.venv/agents: .venv/dev
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[cli,dev,codex,claude]'
	touch $@

.venv/opencode: .venv/bin/python Makefile
	@if ! command -v npm >/dev/null; then \
		echo "npm is not here: the tests on opencode skip"; \
	elif npm install --silent --no-audit --no-fund --prefix .venv/agents-npm $(OPENCODE); then \
		touch $@; \
	else \
		echo "opencode could not be installed: the tests on it skip"; \
	fi

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
