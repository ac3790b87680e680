# Two commands for a newcomer: `make demo` and `make test`. Both create .venv and install what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS ?= test
INSTALLED := $(VENV)/.extras-$(EXTRAS)

.PHONY: demo test test-all torture test-browser lint types docs bench wheel-check floors clean

$(VENV)/.plain: setup.cfg pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(INSTALLED): $(VENV)/.plain
	$(BIN)/python -m pip install --quiet --editable '.[$(EXTRAS)]'
	touch $@

demo: $(VENV)/.plain
	$(BIN)/magsig reproduce --config demo --method baseline grl --until evaluate --workspace demo-workspace
	$(BIN)/magsig embed --workspace demo-workspace --dataset phantom --name frozen \
		--run demo-workspace/runs/phantom/baseline/200X/*
	$(BIN)/magsig train --workspace demo-workspace --dataset frozen --method linear erasure --holdout 200X
	$(BIN)/magsig evaluate --workspace demo-workspace --dataset phantom frozen

# in random order (the last lines name the seed), the modules shared between two processes
PYTEST = $(BIN)/python -m pytest -n 2 --dist loadscope

test: $(INSTALLED)
	$(PYTEST) -m 'not slow'

# with the tests that take more than about ten seconds
test-all: $(INSTALLED)
	$(PYTEST)

# every command that writes, killed 15 times at random moments and repeated: about an hour
torture: $(INSTALLED)
	$(BIN)/python -m tests.torture

# needs Chromium (Debian: apt install chromium)
test-browser:
	$(MAKE) EXTRAS=test,browser $(VENV)/.extras-test,browser
	$(BIN)/python -m pytest -m browser tests/report

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# mypy on the layout that is installed, or it would not find cli/ as magsig_tf.cli and check nothing between the two
types:
	$(MAKE) EXTRAS=types $(VENV)/.extras-types
	rm -rf build/types
	mkdir -p build/types
	cp -r magsig_tf build/types/
	cp -r cli configs build/types/magsig_tf/
	cd build/types && ../../$(BIN)/python -m mypy --config-file ../../pyproject.toml --cache-dir ../../.mypy_cache

# the documentation as a site, in build/site
docs:
	$(MAKE) EXTRAS=docs $(VENV)/.extras-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks.run_all $(if $(QUICK),--quick)

wheel-check: $(INSTALLED)
	$(BIN)/python tests/packaging/check_wheel.py

# the oldest releases that setup.cfg allows, in an environment of their own
floors: $(INSTALLED)
	$(BIN)/python -m tests.packaging.check_floors

clean:
	rm -rf $(VENV) build dist *.egg-info demo-workspace
