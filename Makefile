# Everything runs in a virtual environment of its own, made when it is first needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := output/demo
TRIAL := output/model-try
TRAINING := workflows/models/training
# Two processes of one thread each: faster than one of two.
TRAIN := OMP_NUM_THREADS=1 $(BIN)/python $(TRAINING)

# The graphs that have goldens: the editor's saves. The .api.json beside each is the same graph.
GRAPHS = $(filter-out %.api.json %.golden.json,$(wildcard workflows/*.json))

.PHONY: demo docs goldens test test-all lint format clean model model-decoder model-additions model-try model-check
.DEFAULT_GOAL := help

help:
	@echo "make demo      draw pictures whose prompt or LoRA changes half-way"
	@echo "make docs      draw the pictures of the documentation"
	@echo "make test      run the test suite"
	@echo "make test-all  run the test suite with the long checks"
	@echo "make goldens   record the workflows' goldens anew, on purpose"
	@echo "make lint      ruff, mypy, the layer contract"
	@echo "make format    format the code"
	@echo "make model     train Weft's own model anew: an hour and a half on two cores that have bfloat16; goes on where it was"
	@echo "               stopped, from the beginning without output/training"
	@echo "make model-try  go through all of that in a few minutes, with a few steps of each; the model stays as it is"
	@echo "make model-check  measure the model: the numbers of its card"
	@echo "make clean     remove the virtual environment and what the demo wrote"

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/.test: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

demo: $(VENV)/.installed
	@$(BIN)/weft run workflows/prompt_switch.json workflows/lora_switch.json --output $(DEMO)

docs: $(VENV)/.installed
	@$(BIN)/python docs/pictures.py

# Compiled once, not by each of the processes that the suite starts.
test test-all: export PYTHONDONTWRITEBYTECODE =

test: $(VENV)/.test
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not slow"

test-all: $(VENV)/.test
	$(BIN)/python -m pytest -n auto --dist worksteal

# One thread, as in the tests: on one machine the goldens are then exact.
goldens: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/weft test record --force --tensors 64 $(GRAPHS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The decoder is trained beside what needs it not.
model: $(VENV)/.installed
	$(TRAIN)/train_vae.py both
	OMP_NUM_THREADS=1 $(BIN)/torchrun --standalone --nproc-per-node 2 $(TRAINING)/train_unet.py
	@$(MAKE) --no-print-directory -j2 model-decoder model-additions
	$(TRAIN)/export.py

model-decoder:
	$(TRAIN)/train_vae.py decoder

model-additions:
	$(TRAIN)/train_lora.py
	$(TRAIN)/train_embedding.py
	$(TRAIN)/judge.py

model-try:
	rm -rf $(TRIAL)
	WEFT_TRIAL=$(TRIAL) $(MAKE) --no-print-directory model model-check

model-check: $(VENV)/.installed
	@$(BIN)/python $(TRAINING)/check.py

clean:
	rm -rf $(VENV) $(DEMO) $(TRIAL)
