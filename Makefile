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

# The flashable image, into build/image. ARCH=amd64|arm64, MIRROR=..., QUICK=1 (larger and sooner). Needs root: image/README.md
IMAGE = @PYTHONPATH=firmware:image PYTHONDONTWRITEBYTECODE=1 exec .venv/bin/python -m ramal_image
IMAGE_WORDS = $(if $(ARCH),--arch $(ARCH)) $(if $(MIRROR),--mirror $(MIRROR)) $(if $(QUICK),--quick) $(if $(RELEASE),--release $(RELEASE))
image: check-venv
	$(IMAGE) build $(IMAGE_WORDS)

# The image's Debian packages anew: the newest that fit, with their hashes
image-lock: check-venv
	$(IMAGE) lock $(IMAGE_WORDS)

# Build the image twice and compare every file
image-same: check-venv
	$(IMAGE) same $(IMAGE_WORDS)

# Build the image and prove it in QEMU. PROOFS=boot,call selects
image-test: check-venv
	$(IMAGE) test $(IMAGE_WORDS) $(if $(PROOFS),--only $(PROOFS))

.PHONY: check-venv
check-venv:
	@test -x .venv/bin/python || PYTHONPATH=firmware PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m ramal.provide check

# What can be made again; never a home (.ramal), nor the cache that other checkouts share
clean:
	rm -rf .venv .venv.lock build .mypy_cache .ruff_cache .pytest_cache .hypothesis firmware/ramal.egg-info ramal.egg-info
	find firmware web hw tests -name __pycache__ -prune -exec rm -rf {} +
