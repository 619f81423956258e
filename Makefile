# Everything runs in a virtual environment of its own, made when it is first needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := output/demo

.PHONY: demo test test-all lint format clean
.DEFAULT_GOAL := help

help:
	@echo "make demo      draw a picture whose prompt changes half-way"
	@echo "make test      run the test suite"
	@echo "make test-all  run the test suite with the long checks"
	@echo "make lint      ruff, mypy, the layer contract"
	@echo "make format    format the code"
	@echo "make clean     remove the virtual environment and what the demo wrote"

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/.test: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

demo: $(VENV)/.installed
	@echo "No model that draws ships yet: this one has random weights, so its picture is noise."
	@$(BIN)/python workflows/random_models.py $(DEMO)/models
	@$(BIN)/weft run workflows/prompt_switch.api.json --models $(DEMO)/models --output $(DEMO)

test: $(VENV)/.test
	$(BIN)/python -m pytest -n auto -m "not slow"

test-all: $(VENV)/.test
	$(BIN)/python -m pytest -n auto

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(DEMO)
