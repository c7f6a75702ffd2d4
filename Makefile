# `make train`, `make evaluate`, `make tensorboard`, `make test`, `make docs` and `make gallery`. Each does all its own set-up in .venv.
# ENV names the environment, RUN a run folder (else the newest), ARGS further options of the command.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ENV ?= Walker2d-v5
ARGS ?=
RUN ?= $(shell ls -td runs/*/ 2>/dev/null | head -n 1)
COMMA := ,
UV := $(shell command -v uv 2>/dev/null)
PIP_INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable $(1)
ifdef UV
MAKE_VENV = { $(UV) venv --quiet --seed --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV) \
	|| { rm -rf $(VENV); $(PYTHON) -m venv $(VENV); }; }
INSTALL = $(UV) pip install --python $(BIN)/python --constraint constraints.txt --editable $(1) || $(PIP_INSTALL)
else
MAKE_VENV = $(PYTHON) -m venv $(VENV)
INSTALL = $(PIP_INSTALL)
endif

.PHONY: train evaluate tensorboard test docs gallery clean

train: $(VENV)/ready-to-train
	$(BIN)/python -m trainers.ppo --env $(ENV) --seed 0 $(ARGS)

evaluate: $(VENV)/ready-to-train
	@test -n "$(RUN)" || { echo "error: there is no run in runs/; train first, or give one: make evaluate RUN=runs/<run-id>" >&2; exit 2; }
	$(BIN)/python -m trainers.evaluate "$(RUN)" $(ARGS)

tensorboard: $(VENV)/ready-to-train
	$(BIN)/tensorboard --logdir runs $(ARGS)

test: $(VENV)/ready-to-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest -n logical --dist worksteal

docs: $(VENV)/ready-to-document
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict $(ARGS)
	@echo "The documentation is in site/: open site/index.html in a browser."

gallery: $(VENV)/ready-to-film
	$(BIN)/python -m trainers.gallery

# A stamp is written last, so what was interrupted is done again. A .venv whose pip runs is kept as it is.
$(VENV)/made:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'error: Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11')"
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || { \
		rm -rf $(VENV) && echo "Making $(VENV) ..." && $(MAKE_VENV) \
		|| { rm -rf $(VENV); echo "error: $(VENV) could not be made, for the reason above; then run make again" >&2; exit 1; }; }
	@touch $@

$(VENV)/ready-to-train: pyproject.toml constraints.txt | $(VENV)/made
	@echo "Installing the pinned packages into $(VENV) (once, a few minutes) ..."
	$(call INSTALL,.)
	@touch $@

$(VENV)/ready-to-test: pyproject.toml constraints.txt | $(VENV)/made
	@echo "Installing the pinned packages and the development tools into $(VENV) (once, a few minutes) ..."
	$(call INSTALL,".[dev$(COMMA)box2d$(COMMA)video$(COMMA)wandb$(COMMA)compare$(COMMA)search$(COMMA)docs$(COMMA)pettingzoo$(COMMA)minigrid]")
	@tests/install-chromium.sh
	@touch $@

$(VENV)/ready-to-document: pyproject.toml constraints.txt | $(VENV)/made
	@echo "Installing the pinned packages and what the documentation needs into $(VENV) (once, a few minutes) ..."
	$(call INSTALL,".[docs]")
	@touch $@

$(VENV)/ready-to-film: pyproject.toml constraints.txt | $(VENV)/made
	@echo "Installing the pinned packages and what videos need into $(VENV) (once, a few minutes) ..."
	$(call INSTALL,".[video]")
	@touch $@

clean:
	rm -rf $(VENV)
