# Two commands do all the set-up: `make demo` and `make test`. Everything made lies in .cache/ (kept) and build/.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.NOTPARALLEL:
.DEFAULT_GOAL := help

BIN := .cache/venv/bin
# Tests wait for processes and servers that they start, so more of them than processors keep these busy.
WORKERS := $(shell echo $$(( $$(nproc) * 2 )))
VENV := .cache/venv/.stamp-$(shell sha256sum requirements-dev.txt | cut -c1-12)
LINK := .cache/collections/ansible_collections/sysops/dtk
export PATH := $(CURDIR)/$(BIN):$(PATH)
export LC_ALL := C.UTF-8
export PYTHON

.PHONY: help venv demo test lint sanity unit hosts molecule e2e bench build install ready clean clean-lab

help: ## List what can be made
	@sed -nE 's/^([a-z0-9%-]+):.*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do printf '%-12s %s\n' "$$name" "$$text"; done

demo: install ready ## A fleet of real hosts here: deploys under traffic, a bad one that returns, a setting, status
	@$(BIN)/python -m tests.lab.demo

test: lint sanity unit hosts molecule e2e ## Every check and test

lint: $(VENV) $(LINK) ## Style of Python, YAML, playbooks and changelog fragments
	@echo "== lint"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/yamllint --strict .
	$(BIN)/ansible-lint --offline --profile production
	$(BIN)/antsibull-changelog lint

sanity: $(VENV) ## ansible-test sanity
	@echo "== sanity"
	bash tests/sanity.sh

unit: $(VENV) $(LINK) ## Tests without hosts; no root needed
	@echo "== unit"
	$(BIN)/pytest --numprocesses $(WORKERS) tests/unit

hosts: install $(LINK) ready ## Tests of the code that runs on a host, on a real one; root
	@echo "== hosts"
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder tests/hosts
	$(BIN)/pytest tests/lab

molecule: install $(LINK) ready ## The roles on real hosts; root
	@echo "== molecule"
	@bash tests/molecule.sh

e2e: install ready ## Deploys from end to end, and kill tests, on a fleet; root
	@echo "== e2e"
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder tests/e2e

bench: install ready ## Every benchmark; the figures go to build/bench.json
	@$(BIN)/python -m tests.benchmarks

bench-%: install ready ## One benchmark, such as bench-deploy_20
	@$(BIN)/python -m tests.benchmarks $*

build: $(VENV) ## The collection's tarball, in build/
	$(BIN)/ansible-galaxy collection build --force --output-path build .

install: $(VENV) ## Install that tarball into .cache/installed; nothing to do when no source changed
	@bash tests/lab/install.sh

venv: $(VENV) ## The tools of requirements-dev.txt, in .cache/venv

ready: $(VENV)
	@bash tests/lab/bootstrap.sh hosts

clean: clean-lab ## Remove build/
	rm -rf build

clean-lab: ## Remove what a killed run left: hosts, emulated AWS, networks
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m tests.lab clean; else echo "No lab was ever made here."; fi

$(VENV):
	@bash tests/lab/bootstrap.sh venv

$(LINK):
	@mkdir -p $(@D)
	@ln -sfn $(CURDIR) $@
