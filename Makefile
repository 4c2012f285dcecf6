# afflux: two commands to know are `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup up down demo test test-full check bench lock

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## make .venv, install the locked packages, fetch Kafka; instant when done before
	@$(PYTHON) tools/setup

up: setup ## start the whole stack in the background
	@$(BIN)/afflux up --detach

down: ## stop it; the data stays in .afflux
	@$(BIN)/afflux down

demo: setup ## the whole pipeline with live traffic, then its proof; KEEP=1 leaves it running
	@$(BIN)/afflux demo $(if $(filter 1 yes true,$(KEEP)),--keep)

test: setup ## the whole suite, short profile, with real engines
	@tools/test-needs
	@$(BIN)/pytest

test-full: setup ## the suite with the long fault and property tests
	@tools/test-needs
	@AFFLUX_TEST_PROFILE=full $(BIN)/pytest --timeout 1800

check: setup ## format, lint, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: setup ## benchmarks; results with machine facts go to bench/results
	@$(BIN)/python -m bench

lock: ## compile requirements.in into requirements.lock; needs uv
	@uv pip compile --universal --generate-hashes --no-emit-index-url --no-annotate \
		--custom-compile-command "make lock" --python-version 3.11 -q \
		requirements.in -o requirements.lock
