# `make` lists what can be made. Everything happens in .venv, which the first call sets up.

PYTHON ?= python3
CONSTRAINTS ?= constraints.txt
PY := .venv/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) --editable
EXECUTED := $(patsubst notebooks/%,build/executed/%,$(wildcard notebooks/*.ipynb))
export JUPYTER_PREFER_ENV_PATH := 1

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

lab: .venv/ready ## set up, open JupyterLab on the notebooks
	LECTURE_DATA="$${LECTURE_DATA:+$$($(PY) -c 'import os, sys; print(os.path.abspath(os.path.expanduser(sys.argv[1])))' "$$LECTURE_DATA")}" \
	JUPYTER_CONFIG_PATH="$(CURDIR)/scripts/jupyter$${JUPYTER_CONFIG_PATH:+:$$JUPYTER_CONFIG_PATH}" \
	$(PY) -m jupyterlab $$(test "$$(id -u)" != 0 || echo --allow-root) notebooks

run: .venv/ready ## set up, execute the notebooks (seconds, peak memory, cells, checks), export the site and the slides
	$(PY) scripts/execute.py --frames
	$(PY) scripts/talk.py --site

site: .venv/ready $(EXECUTED) ## export build/site and build/slides, which link to each other: pages, whose sliders need no kernel and no network
	$(PY) scripts/talk.py --site

slides: site ## the same: build/slides holds the talk, a sequence of pages a section, with the same sliders

build/executed/%.ipynb: notebooks/%.ipynb $(wildcard lecture_utils/*.py lecture_utils/exercises/*.py data/*.safetensors) | .venv/ready
	$(PY) scripts/execute.py --frames $<

# Hundreds of processes import the same files: where the environment forbids to keep them compiled, each would compile them.
test quick: export PYTHONDONTWRITEBYTECODE :=

test: .venv/ready-test ## set up, run everything that checks
	$(PY) -m pytest -n 3 --dist loadscope --no-loadscope-reorder

quick: .venv/ready-test ## set up, run what needs no browser and no notebook
	$(PY) -m pytest -n 2 -m "not slow"

solutions: .venv/ready ## set up, solve every exercise and execute the notebooks into build/solutions: every check must be correct
	$(PY) scripts/solve.py

links: .venv/ready ## put links to Binder and to the site into README.md, as the git remote says
	$(PY) scripts/links.py

bench: .venv/ready-test ## measure the sliders in JupyterLab, and the attacks beside their peers
	$(PY) scripts/bench.py

checkpoints: .venv/ready ## train the networks in data/ again (digits: minutes, MNIST: an hour, CIFAR-10: four hours)
	$(PY) scripts/train_checkpoints.py

clean: ## delete build/ and all caches (.venv stays)
	rm -rf build .pytest_cache .hypothesis .ruff_cache
	find lecture_utils scripts tests notebooks -name __pycache__ -prune -exec rm -rf {} + -o -name .ipynb_checkpoints -prune -exec rm -rf {} +

# A stamp is written last: a set-up that failed or was interrupted starts afresh the next time.
.venv/ready: pyproject.toml $(CONSTRAINTS)
	@test -w . || { echo 'This folder is read-only (a shared copy?): copy it to a place of your own, cp -r . ~/lecture, and call make there.'; exit 1; } >&2
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(not (3, 11) <= v <= (3, 13) and "Python 3.11, 3.12 or 3.13 is needed, $(PYTHON) is %d.%d. Another one: make PYTHON=python3.12 ..." % v)' \
	|| { command -v $(PYTHON) >/dev/null || echo 'Python 3.11, 3.12 or 3.13 is needed, there is no $(PYTHON). Another one: make PYTHON=python3.12 ...'; exit 1; } >&2
	@echo "Setting up .venv: downloads about 1 GB the first time, a few minutes."
	$(PYTHON) -m venv --clear .venv
	$(PIP) '.[lab,site]'
	@touch $@

.venv/ready-test: .venv/ready
	$(PIP) '.[test,peers,grading,sweep]'
	@touch $@

.PHONY: help lab run site slides solutions links test quick bench checkpoints clean
