# `make demo` shows what shoal does. `make test` is what CI runs. The rest is for contributors.
#
# One build profile for all: `cargo build`'s own, which is optimised (see Cargo.toml).

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test soak bench fmt lint setup

STEP = printf '\n== %s\n'
# What test/setup/peers.sh installs.
export PATH := $(CURDIR)/.local/bin:$(PATH)

help:
	@echo 'make demo   seed and download sample content on this machine (a minute after the build)'
	@echo 'make test   every check and test; installs what they need, once'
	@echo 'make soak   the long counts; writes its record into docs/testing.md'
	@echo 'make bench  side by side with other clients'
	@echo 'make fmt    format'
	@echo 'make lint   formatter, clippy, arrows between crates, licences'

demo:
	@demo/demo.sh

setup:
	@$(STEP) 'What the tests need (installed once)'
	@test/setup/peers.sh

fmt:
	cargo fmt --all

lint: setup
	@$(STEP) 'Formatter'
	cargo fmt --all --check
	@$(STEP) 'Clippy'
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	@$(STEP) 'Arrows between crates, and what every file owes its reader'
	cargo run --quiet -p xtask -- tidy
	@$(STEP) 'Licences, sources and banned crates'
	cargo fetch --locked --quiet # Of every system: what is not built here has a licence too.
	cargo deny --offline --log-level error check bans licenses sources

test: lint
	@$(STEP) 'Build'
	cargo build --workspace --all-targets --quiet
	@$(STEP) 'Tests: units, simulation, interop'
	cargo test --workspace --quiet
	@$(STEP) 'Fuzz targets: replay, then 20 s each'
	test/fuzz/run.sh ci

soak: setup
	@test/setup/soak.sh

bench:
	@bench/run.sh
