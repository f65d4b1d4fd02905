# Everything is set up on first use in .venv: `make play`, `make test`, `make learn`.
PYTHON ?= python3
VENV := .venv
REALM := $(VENV)/bin/realm
LEARN := .learn
QUEST_LINE := .quest-line
PREFIX := /opt/realm
MINUTES ?= 2

.PHONY: play test lint soak quest-line bench learn install uninstall clean

$(VENV)/.installed: pyproject.toml configs/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Realm needs Python 3.11 or newer: make PYTHON=python3.11")'
	@$(PYTHON) -m venv $(VENV)
	@echo 'installing into $(VENV): torch and what else is needed, about a minute'
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --use-pep517 --constraint configs/constraints.txt --editable '.[dev]'
	@touch $@

# A realm in the foreground, in .realm or $REALM_HOME: Ctrl-C ends it, again goes on where it stood.
play: $(VENV)/.installed
	@$(REALM) --home "$${REALM_HOME:-.realm}" play

# Three processes of tests side by side, as many of them wait for daemons; in the order of their names, which mixes those
# that wait with those that compute.
test: lint
	$(VENV)/bin/pytest --numprocesses=3 --dist=loadfile --no-loadscope-reorder

lint: $(VENV)/.installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# The services under a systemd of their own, with thousands of drops, kills, full disks and damage; needs root.
# Changes nothing of this machine. make soak MINUTES=60; SEED=N does the same again.
soak: $(VENV)/.installed
	@$(VENV)/bin/python -m tests.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

# The climb, unattended, in a home of its own: squire is taught and examined by the scheduler. make quest-line MINUTES=120
quest-line: MINUTES = 30
quest-line: $(VENV)/.installed
	rm -rf $(QUEST_LINE)
	@$(VENV)/bin/python -m tests.benchmarks.quest_line --minutes $(MINUTES) --home $(QUEST_LINE)

# What is promised about speed and memory, beside what people use today; half an hour on two quiet cores. Rivals are
# installed into .bench-venv on first use. make bench ROUNDS=3
bench: ROUNDS = 5
bench: $(VENV)/.installed
	@$(VENV)/bin/python -m tests.benchmarks.bench --rounds $(ROUNDS) --json bench.json

# Random weights -> BIN level 1 -> exam -> BIN levels 1 to 3 -> exam. About 16 minutes on two cores.
learn: $(VENV)/.installed
	rm -rf $(LEARN)
	$(REALM) hero build squire --out $(LEARN)/squire
	$(REALM) scroll forge bin --level 1 --count 70000 --out $(LEARN)/bin-1.jsonl
	$(REALM) scroll train $(LEARN)/bin-1.jsonl --model $(LEARN)/squire --out $(LEARN)/level-1 \
		--set decay_from=800 --set decay_steps=420
	$(REALM) scroll exam $(LEARN)/level-1/checkpoint-* --skill bin --level 1 --count 400 \
		--papers $(LEARN)/papers-1.jsonl --pass 0.9
	$(REALM) scroll forge bin --level 1-3 --count 180000 --first-index 1000000 --out $(LEARN)/bin-1-3.jsonl
	$(REALM) scroll train $(LEARN)/bin-1-3.jsonl --model $(LEARN)/level-1/checkpoint-* --out $(LEARN)/levels-1-3 \
		--set decay_from=3400 --set decay_steps=1300
	$(REALM) scroll exam $(LEARN)/levels-1-3/checkpoint-* --skill bin --level 1-3 --count 600 \
		--papers $(LEARN)/papers-1-3.jsonl --pass 0.8

# The daemons as services of this machine, by their own user: sudo make install. Again is an upgrade.
install:
	@test "$$(id -u)" = 0 || { echo 'make install changes the machine: sudo make install'; exit 1; }
	@$(PYTHON) -c 'import os, sys; path = os.path.realpath(sys.executable); sys.exit(\
		path.startswith(("/root/", "/home/", "/tmp/", "/var/tmp/")) and \
		f"the services cannot execute {path}, as homes and /tmp are hidden from them: make install PYTHON=/usr/bin/python3")'
	umask 022; $(PYTHON) -m venv $(PREFIX)
	umask 022; $(PREFIX)/bin/python -m pip install --quiet --disable-pip-version-check --constraint configs/constraints.txt $(PIP_OPTIONS) .
	umask 022; $(PREFIX)/bin/realm units install
	@test -e /usr/local/bin/realm || ln -s $(PREFIX)/bin/realm /usr/local/bin/realm

# The home and the user realm stay.
uninstall:
	$(PREFIX)/bin/realm units uninstall
	@test "$$(readlink /usr/local/bin/realm)" != $(PREFIX)/bin/realm || rm /usr/local/bin/realm
	@test -e $(PREFIX)/pyvenv.cfg
	rm -rf $(PREFIX)
	@echo '/var/lib/realm and the user realm stay; to remove them too: rm -r /var/lib/realm; userdel realm'

clean:
	rm -rf $(VENV) $(LEARN) $(QUEST_LINE) .bench-venv bench.json
