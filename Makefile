# Everything a person types. Each target is one script; the scripts say what they do.
.DEFAULT_GOAL := help
.PHONY: help run stop test soak check bench shots clean build dist

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## from a bare machine to the example, twice, each at its own HTTPS host
	@scripts/run.sh

stop: ## stop the server that run started; containers run on
	@scripts/stop.sh

build: ## bin/berth and bin/berth-agent
	@scripts/build.sh

dist: ## a release in dist/: binaries for every system, checksums, install.sh
	@scripts/dist.sh

test: ## everything: units, conformance on Docker, scenarios
	@scripts/test.sh

soak: ## what make test does a few times: 50 kills of the server, 30 rollouts under load (docs/soak)
	@BERTH_SOAK=50 BERTH_TEST_MINUTES=60 BERTH_TEST_PACKAGES=./e2e scripts/test.sh -v -run '^TestKill$$'
	@BERTH_SOAK=30 BERTH_TEST_MINUTES=60 BERTH_TEST_PACKAGES=./e2e scripts/test.sh -v -run '^TestRollout$$'

check: ## what a reviewer would say by machine
	@scripts/check.sh

bench: ## the table of measurements
	@scripts/bench.sh

shots: ## pictures of the console's pages in shots/
	@scripts/shots.sh

clean: ## remove what Berth made on this machine, and nothing else
	@scripts/clean.sh
