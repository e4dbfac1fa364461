# Ramal's commands. Each sets up what it needs (it says what and why first), so a fresh Debian 12 or 13 needs only
# git, make and python3. Variables given here (make run OFFICE=my.toml) reach the programs as environment variables.

PYTHON ?= python3
SET_UP = @PYTHONPATH=firmware PYTHONDONTWRITEBYTECODE=1 exec $(PYTHON) -m ramal.provide

.PHONY: run test check bench lock peers clean image image-lock image-same image-test
.DEFAULT_GOAL := run

# The whole box on this machine. OFFICE=file.toml|empty, LAN=1 (open SIP and the page to the network), RAMAL_HOME=folder
run:
	$(SET_UP) run

# The checks, then the tests. TESTS="tests/core -k queue" selects
test:
	$(SET_UP) test

# ruff, mypy --strict and the layers
check:
	$(SET_UP) check

# Ramal against bare Asterisk. BENCH="..." is passed on
bench:
	$(SET_UP) bench

# Asterisk and the phones only, into ~/.cache/ramal
peers:
	$(SET_UP) peers

# The lock files anew from pyproject.toml, with the newest fitting versions
lock:
	$(SET_UP) lock

# The flashable image, into build/image. ARCH=amd64|arm64, MIRROR=..., QUICK=1 (larger and sooner). Root: image/README.md
image:
	$(SET_UP) image

# The image's Debian packages anew: the newest that fit, with their hashes
image-lock:
	$(SET_UP) image-lock

# Build the image twice and compare every file. ANEW=1: the second time from the packages alone, no layer kept
image-same:
	$(SET_UP) image-same

# Build the image and prove it in QEMU. PROOFS=boot,call selects; BUILT=folder proves a finished build
image-test:
	$(SET_UP) image-test

# What can be made again; never a home (.ramal), nor the cache that other checkouts share
clean:
	rm -rf .venv .venv.lock build .mypy_cache .ruff_cache .pytest_cache .hypothesis firmware/ramal.egg-info ramal.egg-info
	find firmware web hw tests -name __pycache__ -prune -exec rm -rf {} +
