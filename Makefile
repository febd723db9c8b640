# `make` alone lists the commands. STACK and CONFIG choose another stack and its configuration file.
STACK ?= dev
CONFIG ?=
PYTHON ?= python3
ARGS ?=
# --strict: a linter that is not available is an error.
LINT_OPTIONS ?=

READY := $(PYTHON) -m bootstrap
READY_FOR_STACK := $(READY) --for $(or $(CONFIG),Pulumi.$(STACK).yaml)
IN_ENV := . ./.state/env &&
CHOSEN := --stack $(STACK) $(if $(CONFIG),--config-file $(CONFIG))

# What holds whichever archive runs is tested with the other one too: the same tests, on a stack of its own.
OTHER_ARCHIVE := E2E_STACK=e2e-dcm4chee E2E_CONFIG=$(CURDIR)/tests/e2e/Pulumi.e2e-dcm4chee.yaml
OF_BOTH_ARCHIVES := $(foreach it,contract journey dicom corpus attacks archive_isolation backup_of_dcm4chee,tests/e2e/test_$(it).py)

# Those that give the stack settings of their own have one for themselves, so that both halves take as long.
FOR_SETTINGS := E2E_STACK=e2e-settings E2E_CONFIG=$(CURDIR)/tests/e2e/Pulumi.e2e-settings.yaml
WITH_SETTINGS := $(foreach it,second_factor directory login_providers mail load_balancer attacks_behind_load_balancer \
  viewer_settings passkeys rights share_links logs,tests/e2e/test_$(it).py)

.PHONY: help reference pin up down destroy preview drift sample status audit smoke invite administrator backup backups restore restore-drill recover adopt upgrade rotate test rehearsal lint fmt env bench bench-up lock policy

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## Bring the stack up, from nothing or after anything; says address and logins
	@$(READY_FOR_STACK)
	@$(IN_ENV) python -m tools.stack up $(CHOSEN)

down: ## Stop the stack; studies, users and state are kept
	@$(READY_FOR_STACK)
	@$(IN_ENV) python -m tools.stack down $(CHOSEN)

destroy: ## Remove the stack and its data; asks first (YES=1 does not)
	@$(READY_FOR_STACK)
	@$(IN_ENV) python -m tools.stack destroy $(CHOSEN)

preview: ## Show what `up` would change; works without an engine and without a state
	@$(READY) --no-engine
	@$(IN_ENV) python -m tools.stack preview $(CHOSEN)

drift: ## Compare the running stack with its configuration; exit code 1 if something differs
	@$(READY_FOR_STACK)
	@$(IN_ENV) python -m tools.stack drift $(CHOSEN)

policy: ## Preview against the rules of policy/: what is violated, and how to fix it
	@$(READY) --no-engine
	@$(IN_ENV) python -m tools.policy $(CHOSEN)

sample: ## Store a synthetic CT series in the running stack
	@$(READY_FOR_STACK)
	@$(IN_ENV) python -m tools.sample --stack $(STACK) $(ARGS)

status: ## Show each part, memory, versions, studies, disk and certificate (ARGS=--json or "--textfile FILE"; exit code 1: attention)
	@$(READY_FOR_STACK)
	@$(IN_ENV) python -m tools.status $(CHOSEN) $(ARGS)

audit: ## Show who read which study (ARGS="--patient ID", --study, --user, --since 7d, --json, --file FILE)
	@$(READY_FOR_STACK)
	@$(IN_ENV) python -m tools.audit $(CHOSEN) $(ARGS)

smoke: ## Try the running stack as each role, with temporary users; leaves nothing behind
	@$(READY_FOR_STACK)
	@$(IN_ENV) python -m tools.smoke $(CHOSEN)

invite: ## Send a user the link with which to choose a password (USER_NAME=m.curie)
	@$(READY_FOR_STACK)
	@$(IN_ENV) python -m tools.invite $(CHOSEN) "$(USER_NAME)"

administrator: ## Make a named administrator of Keycloak's console, with a one-time code (USER_NAME=m.curie)
	@$(READY_FOR_STACK)
	@$(IN_ENV) python -m tools.administrator $(CHOSEN) "$(USER_NAME)"

backup: ## Make a backup now, next to those that the stack makes by itself
	@$(READY_FOR_STACK)
	@$(IN_ENV) python -m tools.backup now $(CHOSEN)

backups: ## List the backups of the stack
	@$(READY_FOR_STACK)
	@$(IN_ENV) python -m tools.backup list $(CHOSEN)

restore: ## Put a backup back (SNAPSHOT=1a2b3c4d, else the latest); asks before data are replaced (YES=1 does not)
	@$(READY_FOR_STACK)
	@$(IN_ENV) python -m tools.restore $(CHOSEN) $(if $(SNAPSHOT),--snapshot $(SNAPSHOT)) $(if $(FROM),--from $(FROM))

restore-drill: ## Prove that the backups come back: a throw-away stack on this machine takes the latest one
	@$(READY_FOR_STACK)
	@$(IN_ENV) python -m tools.restore_drill $(CHOSEN)

recover: ## Take up a stack from its saved state on a new machine; then `make restore`
	@$(READY_FOR_STACK)
	@$(IN_ENV) python -m tools.recover $(CHOSEN) $(ARGS)

adopt: ## Take up a destroyed stack whose data were kept, and bring it up (ARGS="--state FILE")
	@$(READY_FOR_STACK)
	@$(IN_ENV) python -m tools.adopt $(CHOSEN) $(ARGS)

upgrade: ## Take the stack to the images of its configuration: backup, update, smoke test; undone if one fails (SNAPSHOT=id goes back)
	@$(READY_FOR_STACK)
	@$(IN_ENV) python -m tools.upgrade $(CHOSEN) $(if $(SNAPSHOT),--snapshot $(SNAPSHOT))

rotate: ## Replace a generated secret and all that uses it (SECRET=cookie; a wrong name lists them)
	@$(READY_FOR_STACK)
	@$(IN_ENV) python -m tools.rotate $(CHOSEN) "$(SECRET)"

pin: ## Write the digests of all images into images.lock.json, which the program then uses
	@$(READY)
	@$(IN_ENV) python -m tools.pin $(CHOSEN)

# Tests wait for servers most of the time, so two halves run next to each other.
test: ## Run all checks and tests that this machine allows; says what is left out
	@$(READY) --optional-engine
	@$(IN_ENV) code=0; \
	  python -m tools.lint $(LINT_OPTIONS) || code=$$?; \
	  if $(if $(ARGS),true,false); then python -m pytest $(ARGS) || code=$$?; exit $$code; fi; \
	  mkdir -p .state/logs; \
	  $(MAKE) --no-print-directory other-tests > .state/logs/other-tests.log 2>&1 & others=$$!; \
	  trap 'kill $$others; exit 130' INT TERM; \
	  python -m pytest tests/e2e $(patsubst %,--ignore=%,$(WITH_SETTINGS)) || code=$$?; \
	  wait $$others || code=$$?; \
	  cat .state/logs/other-tests.log; \
	  exit $$code

.PHONY: other-tests
other-tests:
	@code=0; \
	  python -m pytest tests/rehearsal || code=$$?; \
	  $(OTHER_ARCHIVE) python -m pytest $(OF_BOTH_ARCHIVES) || code=$$?; \
	  python -m pytest --ignore=tests/rehearsal --ignore=tests/e2e || code=$$?; \
	  $(FOR_SETTINGS) python -m pytest $(WITH_SETTINGS) || code=$$?; \
	  exit $$code

rehearsal: ## Rehearse production on this machine: a small cloud, DNS, a CA, browsers (root; 10 minutes)
	@$(READY)
	@$(IN_ENV) python -m pytest tests/rehearsal $(ARGS)

lint: ## Run all linters: Python, shell, YAML, Markdown and the workflows
	@$(READY) --no-engine
	@$(IN_ENV) $(MAKE) --no-print-directory checks

.PHONY: checks
checks:
	@python -m tools.lint $(LINT_OPTIONS)

fmt: ## Format the code
	@$(READY) --no-engine
	@$(IN_ENV) ruff format . && ruff check --fix .

reference: ## Write docs/reference from Pulumi.yaml, access.py and this file
	@$(READY) --no-engine
	@$(IN_ENV) python -m tools.reference

env: ## Make this machine able to run `pulumi` by hand; then: . .state/env
	@$(READY)
	@echo "ready; for pulumi by hand: . .state/env"

lock: ## Write requirements*.txt again from requirements*.in (newest versions that these allow)
	@$(PYTHON) -m venv --clear .state/lock && .state/lock/bin/pip install --quiet pip-tools
	@for name in requirements requirements-dev policy/requirements; do \
	  (cd "$$(dirname $$name)" && $(CURDIR)/.state/lock/bin/pip-compile --quiet --upgrade --generate-hashes --no-header \
	    --no-annotate --strip-extras --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	    --output-file "$$(basename $$name).txt" "$$(basename $$name).in") || exit 1; \
	done

bench: ## Compare the speed with the archive alone and two other nginx (needs the sample; ARGS="--json FILE")
	@$(READY)
	@$(IN_ENV) python -m bench.speed --stack $(STACK) $(ARGS)

bench-up: ## Measure start, no-op, preview, restart and memory (ARGS="--cold-starts 20 --restarts 20")
	@$(READY)
	@$(IN_ENV) python -m bench.bench_up $(CHOSEN) $(ARGS)

.DEFAULT_GOAL := help
