# Everything a person or CI runs; each target makes the environment it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: assets demo test faults check audit docs format bench clean

demo: $(VENV)/.run  ## a small archive, a server, and URLs to try
	$(BIN)/ibe-gateway demo $(ARGS)

test: $(VENV)/.dev  ## the whole test suite
	$(BIN)/python -m pytest $(ARGS)

faults: $(VENV)/.dev  ## real processes that are harmed, also by what takes longer
	$(BIN)/python -m pytest tests/faults -m "slow or not slow" $(ARGS)

check: $(VENV)/.dev  ## what a pull request must pass, but for the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m numpydoc.hooks.validate_docstrings $$(git ls-files 'gateway/*.py')

audit: $(VENV)/.dev  ## known weaknesses of what is installed; says so if nobody can be asked
	$(BIN)/python .ci/audit.py

docs: $(VENV)/.docs  ## the site, in build/docs; a broken link or reference is an error
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs build/docs $(ARGS)

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.bench  ## speed, beside the floor and beside what one would use instead
	$(BIN)/python -m bench.cutouts $(ARGS)

$(VENV)/.run: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --group dev
	touch $@

$(VENV)/.docs: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --group docs
	touch $@

$(VENV)/.bench: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --group bench
	touch $@

assets:  ## fetch the viewer's library anew, from npm; its version stands here
	npm pack --silent --pack-destination /tmp openseadragon@6.1.1
	tar -xzf /tmp/openseadragon-6.1.1.tgz -C gateway/web/assets/openseadragon --strip-components 1 \
		package/LICENSE.txt
	tar -xzf /tmp/openseadragon-6.1.1.tgz --to-stdout \
		package/build/openseadragon/openseadragon.min.js | sed '/^\/\/# sourceMappingURL/d' \
		> gateway/web/assets/openseadragon/openseadragon.min.js
	rm /tmp/openseadragon-6.1.1.tgz

clean:
	rm -rf $(VENV) build demo-archive .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
