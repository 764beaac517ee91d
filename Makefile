# Everything a developer, an operator who wants to try it, or CI needs. Each target may be called first, on a fresh
# clone: it sets up what it needs. Only relative paths are used, so the clone may lie anywhere.
.POSIX:
.SUFFIXES:
.PHONY: help setup packages test fuzz vqsim differential demo lint docs screenshots bench corpus mutants soak constraints clean

BIN = .venv/bin

# Handed to pytest by `make test`, for example PYTEST_ARGS='-k quorum'. Two cores halve the time of the simulated
# clusters; loadgroup keeps all system tests on one worker, because they share this machine's kernel.
PYTEST_WORKERS = auto
PYTEST_ARGS =

# Handed to `make corpus`: names of cases to see their differences, or --failing actions|order|scores|crash.
CORPUS_ARGS =

# What carries the messages in `make demo`: embedded, or corosync (needs root and the package corosync).
CLUSTER = embedded

# How long `make soak` breaks things, and which plan it draws.
MINUTES = 10
SEED = 1

help:
	@echo 'make setup        create .venv with the pinned dependencies and Ninefold itself'
	@echo 'make vqsim        compare quorum with that of Corosync on thousands of random histories'
	@echo 'make differential compare the policy engine with crm_simulate on thousands of random clusters, by feature'
	@echo 'make demo         three nodes on this machine; crash the active one; see how long the client waited'
	@echo 'make test         the whole test suite (as root on Debian: installs packaging/debian-packages.txt first)'
	@echo 'make fuzz         feed decoders and rings with what chance brings, for new failures'
	@echo 'make lint         format, lint, types, import contracts'
	@echo 'make docs         build the documentation into docs/_build'
	@echo 'make screenshots  take the documentation pictures of the pages anew (needs chromium)'
	@echo 'make bench        measure failover, beside Corosync and Pacemaker where they are installed; a design; messages; decisions; surveys of faults'
	@echo 'make mutants      break the machines on purpose; the simulator must find each fault'
	@echo 'make soak         faults of every kind on five hosts for MINUTES (10); safe, whole and nothing leaked?'
	@echo 'make corpus       compare the policy engine with the recorded decisions, by feature'
	@echo 'make constraints  resolve the pins in constraints.txt anew (needs uv)'
	@echo 'make clean        remove .venv, caches and everything else that was made here'

setup:
	@sh packaging/setup

packages:
	@sh packaging/install-packages

test: setup packages
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadgroup `sh packaging/system-tests` $(PYTEST_ARGS)

# Of each decoder with atheris, where it installs.
FUZZ_SECONDS = 30
# Documents that something went wrong with; four commands on each, a third of a second together.
FUZZ_CIBS = 500

fuzz: setup
	HYPOTHESIS_PROFILE=search $(BIN)/python -m pytest -n $(PYTEST_WORKERS) tests/unit/totem/test_messages.py \
	    tests/unit/totem/test_packing.py tests/properties/totem tests/properties/quorum/test_quorum_partitions.py \
	    tests/properties/config tests/properties/test_every_decoder.py
	$(BIN)/python -m tests.fuzz.cibs $(FUZZ_CIBS)
	FUZZ_SECONDS=$(FUZZ_SECONDS) sh tests/fuzz/run $(BIN)/python

# Of each option so many histories; a thousand of each take six minutes, most of them waiting.
VQSIM_SEEDS = 250

vqsim: setup packages
	VQSIM_SEEDS=$(VQSIM_SEEDS) $(BIN)/python -m pytest -n 8 -q tests/properties/quorum/test_quorum_against_vqsim.py

# Of each feature so many documents with it alone, and as many with it among others.
DIFFERENTIAL_SEEDS = 100
# Remote nodes, guests and bundles have documents of their own.
CONNECTIONS_SEEDS = 1000

differential: setup packages
	$(BIN)/python -m tests.differential $(DIFFERENTIAL_SEEDS)
	CONNECTIONS_SEEDS=$(CONNECTIONS_SEEDS) $(BIN)/python -m pytest -n 2 -q \
	    tests/properties/scheduler/test_scheduler_connections_against_crm_simulate.py

demo: setup
	$(BIN)/ninefold lab demo --cluster $(CLUSTER)

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: setup
	$(BIN)/sphinx-build -W --keep-going -n -q -b html docs docs/_build/html
	$(BIN)/sphinx-build -W -n -q -b doctest docs docs/_build/doctest
	@echo 'see docs/_build/html/index.html'

screenshots: setup
	$(BIN)/python docs/screenshots.py

# Each deliberate fault of tests/simulation/mutants.py must be found within its number of seeds.
mutants: setup
	NINEFOLD_ALL_MUTANTS=1 $(BIN)/python -m pytest -n $(PYTEST_WORKERS) -rA --no-header -q \
	    tests/simulation/test_mutations.py -k test_mutant_is_found $(PYTEST_ARGS)

soak: setup
	$(BIN)/ninefold lab soak --minutes $(MINUTES) --seed $(SEED)

bench: setup packages
	$(BIN)/python -m benchmarks.failover
	$(BIN)/python -m benchmarks.design
	$(BIN)/python -m benchmarks.messaging
	$(BIN)/python -m benchmarks.scheduler
	$(BIN)/python -m benchmarks.survive

corpus: setup
	$(BIN)/python -m benchmarks.scheduler_corpus $(CORPUS_ARGS)

# --universal pins for every Python from 3.11 on, with markers; addresses of indexes stay out of the file.
constraints:
	uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 \
	    --no-header --no-annotate --no-emit-index-url --quiet --output-file constraints.txt

clean:
	rm -rf .venv docs/_build build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
