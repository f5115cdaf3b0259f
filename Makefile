# Tunesmith on one machine.  `make` shows what there is; PYTHON=python3.12 chooses the Python of the environments.
PYTHON ?= python3
BIN := .venv/bin
# Many container images set it.  Every process would compile its libraries anew at its start: 8 s for a training.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
.PHONY: help setup demo up test test-slow faults check format clean-demo clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

setup: ## make both environments, or bring them up to date (does nothing when they are)
	@$(PYTHON) cli/setup_environment.py

demo: setup ## run the main job from start to end and stop again: two-stage fine-tune, scorecard, live endpoint
	@$(BIN)/python -m cli demo

up: setup ## start everything and stay up until Ctrl-C, printing every URL and the admin key
	@$(BIN)/python -m cli up

test: setup ## run every test that needs no GPU and takes no minutes, two files at a time
	@# Each of the two processes, and what it starts, computes with one thread.
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not gpu and not slow"

test-slow: setup ## run the tests that take minutes: kills, exact resume, too little memory, a full disk, a swap bench
	@$(BIN)/python -m pytest -q -m slow

faults: setup ## kill, freeze and cut off every process while jobs run, then judge every job (40 minutes)
	@$(BIN)/python -m tests.faults

check: setup ## ruff, mypy strict, the import rule, the lock files, `alembic check`
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_imports.py tests/test_requirements.py tests/core/test_migrations.py

format: setup ## rewrite the code as `make check` wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean-demo: setup ## forget what `make demo` and `make up` kept: database, queue, models, logs
	@$(BIN)/python -m cli reset --yes

clean: clean-demo ## remove the environments as well
	rm -rf .venv .venv-vllm
