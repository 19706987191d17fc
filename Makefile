# Everything a newcomer needs:  make demo  (set up, run the main job)  and  make test  (set up, run the tests).
PYTHON ?= python3
# TensorFlow: cpu, cuda, or none for that of the machine
TENSORFLOW ?= cpu
VENV   ?= .venv
RUN    ?= runs/demo
# test files at a time: many tests wait for processes to start, to end, or to be missed
AT_A_TIME ?= 4

.PHONY: demo test docs install lint format clean

demo: install
	"$(VENV)/bin/python" workflows/full_pipeline.py --config configs/demo.yaml --run-dir "$(RUN)"

test: install
	"$(VENV)/bin/python" -m pytest -n $(AT_A_TIME) --dist loadfile --no-loadscope-reorder --durations=25

docs: install
	"$(VENV)/bin/python" -m sphinx --quiet --fail-on-warning --keep-going --fresh-env -c docs . build/docs

install:
	@PYTHON="$(PYTHON)" TENSORFLOW="$(TENSORFLOW)" bash scripts/install.sh "$(VENV)"

lint: install
	"$(VENV)/bin/ruff" check .
	"$(VENV)/bin/ruff" format --check .
	"$(VENV)/bin/python" -m mypy

format: install
	"$(VENV)/bin/ruff" format .
	"$(VENV)/bin/ruff" check --fix .

clean:
	rm -rf "$(VENV)" runs build/docs docs/api/*.rst
