# What a developer types. Every target works from a clean clone; what is missing is installed where that is allowed.
.DEFAULT_GOAL := help
.PHONY: help demo test lint bench soak fuzz deny fmt

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' Makefile

demo: ## edge, sample workload and Warpgate on this machine, with a curl line that works
	@bash scripts/demo.sh

test: ## everything that continuous integration runs
	@bash scripts/test.sh

lint: ## the quick part of it: format, clippy, checks of the house
	@bash scripts/test.sh lint

bench: ## our chain beside nginx, rathole and ssh -R; writes docs/benchmarks.md
	@bash scripts/bench.sh

soak: ## restarts, kills, slow and hostile connections, with figures
	@bash scripts/soak.sh

fuzz: ## coverage-guided fuzzing of every parser, 60 s each (SECONDS_EACH=n)
	@bash scripts/fuzz.sh

deny: ## licences, advisories and bans of the dependencies
	@bash scripts/deny.sh

fmt: ## formats the tree
	@cargo fmt --all
