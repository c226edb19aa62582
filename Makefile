# The lab's verbs. `make help` lists them; docs/operations.md tells more.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export PYTHONDONTWRITEBYTECODE := 1

# LAB_INVENTORY=… LAB_SUBNET=… LAB_RELEASE=… make up starts the lab with another inventory, subnet or Debian, and
# records that in .lab/settings. Until make down, every other verb uses the record: in a second terminal there is
# nothing to repeat, and a setting that disagrees is ignored with a message. Two exceptions:
# - make up uses what is set, and takes only the rest from the record.
# - LAB_INVENTORY=inventory/production make status uses that inventory, with the settings of the environment alone.
#   snapshot, reset and down ignore it as well, since they act on the machines of this host.
SETTINGS = python -m lab.settings
USE = $(SETTINGS) use
OWN = $(SETTINGS) own

# Asks for sudo's password if sudo needs one.
BECOME = $(shell [ "$$(id -u)" = 0 ] || sudo -n true 2>/dev/null || echo --ask-become-pass)
PLAYBOOK = ansible-playbook $(BECOME)

# What differs by provider: $(call BY_PROVIDER,for Vagrant,for containers).
BY_PROVIDER = if [ "$$(lab/provider)" = vagrant ]; then $(OWN) $(1); else $(OWN) $(2); fi
SNAPSHOT = revezamento

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: tools
tools:
	@lab/bootstrap

.PHONY: up
up: tools ## the whole lab on this host, from nothing or from wherever it is
	@$(SETTINGS) start $(PLAYBOOK) providers/podman/create.yml
	@$(SETTINGS) record
	@$(USE) $(PLAYBOOK) ansible/site.yml
	@$(USE) lab/status

.PHONY: provision
provision: tools ## the roles again, on machines that are up whoever made them
	@$(USE) $(PLAYBOOK) ansible/site.yml

.PHONY: deploy
deploy: tools ## the release of app/ into service, one backend after the other; back if it fails
	@$(USE) $(PLAYBOOK) ansible/deploy.yml

.PHONY: rollback
rollback: tools ## back to the release that ran before (or RELEASE=…)
	@$(USE) $(PLAYBOOK) ansible/rollback.yml $(if $(RELEASE),--extra-vars 'rollback_release=$(RELEASE)')

.PHONY: status
status: tools ## a table of the machines, and what to try next
	@$(USE) lab/status

.PHONY: ssh
ssh: tools ## a shell: make ssh HOST=backend1 (or a command: CMD='uptime')
	@$(USE) lab/machine ssh "$(HOST)" $(if $(CMD),'$(subst ','\'',$(CMD))')

.PHONY: logs
logs: tools ## the last lines of a machine's units: make logs HOST=backend1
	@$(USE) lab/machine logs "$(HOST)"

.PHONY: verify
verify: tools ## every test on the lab that is up, whoever made it
	@$(USE) pytest tests/testinfra $(ARGS)

.PHONY: drill
drill: tools ## break things under load, judge what users get: D=all, short, random, backend-power, …; SEED=1
	@$(USE) python -m drills $(or $(D),all) $(if $(SEED),--seed '$(SEED)') $(ARGS)

.PHONY: browser
browser: tools ## Chromium on the client, and the tests of the page in it
	@$(USE) $(PLAYBOOK) ansible/site.yml --limit clients --tags client --extra-vars client_browser=true
	@$(USE) pytest tests/browser $(ARGS)

.PHONY: snapshot
snapshot: tools ## keep all machines as they are now
	@$(call BY_PROVIDER,vagrant snapshot save --force $(SNAPSHOT),$(PLAYBOOK) providers/podman/snapshot.yml)

.PHONY: reset
reset: tools ## back to the last snapshot, in seconds
	@$(call BY_PROVIDER,vagrant snapshot restore --no-provision $(SNAPSHOT),$(PLAYBOOK) providers/podman/reset.yml)

.PHONY: down
down: tools ## take the lab off this host (its image and keys stay)
	@$(call BY_PROVIDER,vagrant destroy --force,$(PLAYBOOK) providers/podman/destroy.yml)
	@$(SETTINGS) forget

.PHONY: clean
clean: down ## also remove the images, the keys and the tools
	@$(PLAYBOOK) --inventory inventory/lab providers/podman/forget.yml
	@rm -rf .venv .lab

.PHONY: test
test: tools lint unit ## everything, from nothing, as CI does (destroys the lab that is up)
	@export COLUMNS=$${COLUMNS:-160} && molecule destroy && $(SETTINGS) forget && molecule test --all

.PHONY: test-vagrant
test-vagrant: tools ## the lab as real VMs, emulated where there is no KVM (hours): PHASES="box up …"
	@providers/vagrant/test $(PHASES)

.PHONY: lint
lint: tools ## ansible-lint, yamllint, ruff, mypy
	@yamllint --strict .
	@ansible-lint --offline --profile production
	@ruff check . && ruff format --check .
	@mypy

.PHONY: vagrant
vagrant:
	@lab/bootstrap vagrant

.PHONY: unit
unit: tools vagrant workbench ## what needs no machine: unit tests, rendered configurations, the app
	@env --unset=LAB_SUBNET pytest tests/unit tests/templates # they try other subnets themselves
	@python -m pip install --quiet --no-deps --no-build-isolation --disable-pip-version-check --editable app
	@python -m tests.workbench sh -c 'cd app && python -m pytest'

.PHONY: diagram
diagram: tools ## draw docs/map.svg again from the inventory
	@$(USE) python -m lab.diagram > docs/map.svg

.PHONY: workbench
workbench: tools
	@$(PLAYBOOK) --inventory inventory/lab providers/podman/workbench.yml

# One lock for every platform and for Python 3.11 and newer: markers select what differs.
LOCK = uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url

.PHONY: lock
lock: tools ## renew both hash locks from pyproject.toml and requirements.in
	@cd app && $(LOCK) pyproject.toml --output-file requirements.txt
	@$(LOCK) --constraint app/requirements.txt requirements.in app/pyproject.toml --output-file requirements.txt
