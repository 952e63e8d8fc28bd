# This needs only Python 3.11 or newer: no Java, no Maven, no Docker. To use another Python: make PYTHON=python3.13 run
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup run up down test test-rest test-exhaustive test-mwaa test-versions lint coverage docs release picture bench-history bench-backfill bench-arrivals bench-archive bench-lambda bench-day bench-levels schema lock lambda mwaa clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s  %s\n", $$1, $$2 }' Makefile

setup:  ## Create .venv from the locks (most other targets do this first)
	@$(PYTHON) local/bootstrap.py

run: setup  ## Condense, prove and retire real days with a real scheduler, print a report, and stop
	@$(BIN)/python -m local run

up: setup  ## Start OpenSearch, S3, SQS and Airflow with sample data in the background, and print the URLs
	@$(BIN)/python -m local up

down: setup  ## Stop what `make up` started; the data of OpenSearch, S3 and Airflow is kept, queues are not
	@$(BIN)/python -m local down

PYTEST := $(BIN)/python -m pytest --numprocesses 3 --no-loadscope-reorder

test: setup  ## Run the unit tests, and those of history, shell and pages on a real server (12 minutes)
	@$(PYTEST) tests/unit tests/ui tests/integration -m core

test-rest: setup  ## Run the others: archives and queues, DAGs with a real scheduler, faults, long tests (35 minutes)
	@$(PYTEST) -m "not core and not mwaa and not exhaustive"

test-exhaustive: setup  ## Run what takes hours: all bad answers to all requests, thousands of random steps, each benchmark, a year
	@$(PYTEST) -m exhaustive

test-mwaa: setup  ## Run the tests of the DAGs with the Airflow and Python of managed Airflow (10 minutes)
	@$(BIN)/python -m pytest -m mwaa

test-versions: setup  ## Run the tests that every OpenSearch must pass with the oldest and the newest (6 minutes)
	@for version in $$($(BIN)/python -m local.server.releases); do \
		echo "OpenSearch $$version"; \
		env -u OPENSEARCH_URL OPENSEARCH_VERSION=$$version \
			$(BIN)/python -m pytest tests/integration -m "versions and not long and not exhaustive" --numprocesses 2 || exit; \
	done

lint: setup  ## Check style, types and the dependency rule
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

coverage: setup  ## Run the unit and integration tests, list lines that never ran, write build/coverage/index.html
	@$(PYTEST) tests/unit tests/integration -m "not long and not exhaustive" \
		--cov --cov-report=term:skip-covered --cov-report=html

docs: setup  ## Build the docs as a site in build/site/index.html; a broken link or anchor is an error
	@NO_MKDOCS_2_WARNING=true $(BIN)/mkdocs build --strict

release: setup  ## Build dist/ from the last commit, check it, and print the two commands that tag and upload
	@$(BIN)/python -m local.packaging.release

bench-history: setup  ## Compare condensing, size, accuracy and reading with peers (11 minutes; ARGS="--help")
	@$(BIN)/python -m benchmarks.history $(ARGS)

bench-backfill: setup  ## Compare S3 into OpenSearch with the server's ceiling and peers (40 minutes; ARGS="--help")
	@$(BIN)/python -m benchmarks.backfill $(ARGS)

bench-arrivals: setup  ## Compare new objects through a queue with a backfill of them (15 minutes; ARGS="--help")
	@$(BIN)/python -m benchmarks.arrivals $(ARGS)

bench-archive: setup  ## Compare a raw day to S3 with the server's floor and peers (20 minutes; ARGS="--help")
	@$(BIN)/python -m benchmarks.archive $(ARGS)

bench-lambda: setup  ## Compare the Firehose function with the one that people copy (3 minutes; ARGS="--help")
	@$(BIN)/python -m benchmarks.firehose $(ARGS)

bench-day: setup  ## Compare a large day with a small one: loaded, condensed, proven (10 minutes; ARGS="--documents 40000000")
	@$(BIN)/python -m benchmarks.day $(ARGS)

bench-levels: setup  ## Ask a year of history with and without its levels (15 minutes; ARGS="--help")
	@$(BIN)/python -m benchmarks.levels $(ARGS)

picture: setup  ## Redraw the pictures of README and docs from the flights of 2013: charts, panels, pages (needs Chromium)
	@$(BIN)/python -m local.pictures.delays
	@$(BIN)/python -m local.pictures.panels
	@$(BIN)/python -m local.pictures.pages

schema: setup  ## Regenerate the JSON Schema of dataset files from the models
	@$(BIN)/python -c "from opensearch_strata.definition.files import dataset_schema; print(dataset_schema())" > include/datasets/dataset.schema.json

lock: setup  ## Recompile the locks from requirements*.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate requirements.txt -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate requirements-dev.txt -o requirements-dev.lock

lambda:  ## Write the code of the Firehose function to build/strata-lambda.zip (docs/lambda.md)
	@$(PYTHON) -m local.packaging.lambda_zip

mwaa:  ## Write the files for managed Airflow to build/mwaa, ready for `aws s3 sync` (docs/deploy.md)
	@$(PYTHON) -m local.packaging.mwaa

clean:  ## Stop everything and remove everything that was created here, including .venv
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m local clean; fi
	@rm -rf .venv .stack build dist plugins/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
