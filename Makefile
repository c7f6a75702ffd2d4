# `make train`, `make test` and `make gallery`. Each does all its own set-up in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

.PHONY: train test gallery clean

train: $(VENV)/ready-to-train
	$(BIN)/python -m trainers.ppo --env Walker2d-v5 --seed 0

test: $(VENV)/ready-to-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest

gallery: $(VENV)/ready-to-film
	$(BIN)/python -m trainers.gallery

$(BIN)/python:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11')"
	$(PYTHON) -m venv $(VENV)

$(VENV)/ready-to-train: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing the pinned packages into $(VENV) (once, a few minutes) ..."
	$(INSTALL) .
	touch $@

$(VENV)/ready-to-test: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing the pinned packages and the development tools into $(VENV) (once, a few minutes) ..."
	$(INSTALL) ".[dev,box2d,video,wandb,compare]"
	@tests/install-chromium.sh
	touch $@

$(VENV)/ready-to-film: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing the pinned packages and what videos need into $(VENV) (once, a few minutes) ..."
	$(INSTALL) ".[video]"
	touch $@

clean:
	rm -rf $(VENV)
