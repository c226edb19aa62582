# `make help` lists the verbs for daily use; docs/operations.md describes all of them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export PYTHONDONTWRITEBYTECODE := 1

# LAB_INVENTORY=… LAB_SUBNET=… LAB_RELEASE=… make up selects another inventory, subnet or Debian for the lab.
# .lab/settings records the selection until make down, and later verbs use the record: a second terminal needs no
# settings, and one that disagrees is ignored with a message. The exceptions:
# - make up uses the settings in the environment; the record only replaces those that are not set.
# - LAB_INVENTORY=inventory/production make status uses that inventory and nothing from the record.
#   snapshot, reset and down always use the record: they act on the machines of this host.
SETTINGS = python -m lab.settings
USE = $(SETTINGS) use
OWN = $(SETTINGS) own

# Asks for sudo's password if sudo needs one.
BECOME = $(shell [ "$$(id -u)" = 0 ] || sudo -n true 2>/dev/null || echo --ask-become-pass)
# One line for each play; V=1 make up shows Ansible's own output instead.
PLAYBOOK = lab/alone 'make $@' lab/play $@ $(BECOME)
export STAGES_STARTED := $(shell date +%s)

# What differs by provider: $(call BY_PROVIDER,for Vagrant,for containers).
BY_PROVIDER = if [ "$$(lab/provider)" = vagrant ]; then $(OWN) $(1); else $(OWN) $(2); fi

# Only from the command line: WSL has a variable NAME in its environment.
SNAPSHOT = $(if $(filter command,$(origin NAME)),$(NAME),revezamento)
QUOTED_SNAPSHOT = '$(subst ','\'',$(SNAPSHOT))'
CHECK_SNAPSHOT = [[ $(QUOTED_SNAPSHOT) =~ ^[a-z0-9][a-z0-9-]{0,30}$$ ]] || { echo "error: NAME="$(QUOTED_SNAPSHOT)" \
	cannot name a snapshot. Remedy: up to 31 of a-z, 0-9 and -, such as NAME=before-exercise" >&2; exit 2; }

.PHONY: help
help:
	@awk -F ':.*## ' '/^##@ / { print (heading++ ? "\n" : "") substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: tools
tools:
	@lab/bootstrap

##@ Start
.PHONY: up
up: ## create or update the lab (vagrant up: with virtual machines)
	@lab/bootstrap containers
	@$(SETTINGS) start $(PLAYBOOK) providers/podman/create.yml ansible/site.yml
	@cat .lab/status.txt # which the last play has written

##@ Look
.PHONY: status
status: tools ## show the health of every machine
	@$(USE) lab/status

.PHONY: ssh
ssh: tools ## open a shell: HOST=backend1, or run a command: CMD='uptime'
	@$(USE) lab/machine ssh "$(HOST)" $(if $(CMD),'$(subst ','\'',$(CMD))')

.PHONY: logs
logs: tools ## show the latest log entries of a machine: HOST=backend1
	@$(USE) lab/machine logs "$(HOST)"

.PHONY: trust
trust: tools # how this computer trusts the certificate authority of the lab: INSTALL=1 does it, UNDO=1 undoes it
	@python -m lab.trust $(if $(INSTALL),install,$(if $(UNDO),undo,explain))

##@ Change
.PHONY: provision
provision: tools ## apply the roles again: all, or ROLE=nginx
	@[ -z '$(ROLE)' ] || [ -d 'ansible/roles/$(ROLE)' ] || \
		{ echo "error: there is no role $(ROLE). Roles: $$(ls -m ansible/roles)" >&2; exit 2; }
	@$(USE) $(PLAYBOOK) $(if $(ROLE),--tags '$(ROLE)') $(ARGS) ansible/site.yml

.PHONY: deploy
deploy: tools ## roll out app/ and its pages, one machine at a time
	@$(USE) $(PLAYBOOK) ansible/deploy.yml

.PHONY: rollback
rollback: tools # to the previous release, or to RELEASE=…
	@$(USE) $(PLAYBOOK) ansible/deploy.yml --extra-vars 'deploy_release=$(or $(RELEASE),former)'

.PHONY: upgrade
upgrade: tools ## install Debian's updates, one machine at a time: REBOOT=always
	@$(USE) $(PLAYBOOK) $(if $(REBOOT),--extra-vars 'upgrade_reboot=$(REBOOT)') ansible/upgrade.yml

.PHONY: rotate
rotate: tools # new secrets instead of all present ones, while users are served
	@$(USE) $(PLAYBOOK) ansible/rotate-secrets.yml

.PHONY: snapshot
snapshot: tools ## save the state of all machines, also as NAME=…
	@$(CHECK_SNAPSHOT)
	@$(call BY_PROVIDER,vagrant snapshot save --force $(SNAPSHOT),$(PLAYBOOK) --extra-vars provider_snapshot=$(SNAPSHOT) \
		providers/podman/snapshot.yml)

.PHONY: reset
reset: tools ## restore the last snapshot, or that of NAME=…
	@$(CHECK_SNAPSHOT)
	@$(call BY_PROVIDER,vagrant snapshot restore --no-provision $(SNAPSHOT),$(PLAYBOOK) --extra-vars provider_snapshot=$(SNAPSHOT) \
		providers/podman/reset.yml)

##@ Prove
.PHONY: verify
verify: tools ## test the running lab, also in a browser: ARGS='-k dns'
	@BECOME='$(BECOME)' $(USE) lab/verify $(ARGS)

.PHONY: drill
drill: tools ## break things under load: D=short, D=backend1-power; SEED=1
	@$(USE) python -m drills $(or $(D),all) $(if $(SEED),--seed '$(SEED)') $(ARGS)

.PHONY: test
test: tools ## test from scratch; replaces the running lab
	@python -m tests.stages

.PHONY: test-all
test-all: tools # the same, and the long rest: browser, drills, reboots
	@python -m tests.stages --all

.PHONY: bench
bench: tools # what a request costs, on the lab that is up
	@$(USE) python -m bench $(ARGS)

.PHONY: bench-logins
bench-logins: tools # whether the time of a failed login tells that a user exists
	@$(USE) python -m bench.logins $(ARGS)

.PHONY: bench-tls
bench-tls: tools # what TLS costs on a frontend, on a lab that speaks HTTPS
	@$(USE) python -m bench.tls $(ARGS)

.PHONY: bench-sessions
bench-sessions: tools # memory and times with a million sessions and 100 000 users
	@$(USE) python -m bench.sessions $(ARGS)

.PHONY: audit
audit: tools # the field's scanners, on the lab that is up: docs/security.md. ARGS='--only lynis nmap'
	@$(USE) python -m audit $(ARGS)

.PHONY: bench-lab
bench-lab: tools # how long the commands take; replaces the running lab
	@python -m lab.bench checks
	@python -m lab.bench commands
	@python -m lab.bench scale

.PHONY: test-vagrant
test-vagrant: tools # with virtual machines; without KVM they are emulated, which takes hours. PHASES="box up …"
	@providers/vagrant/test $(PHASES)

.PHONY: test-modes
test-modes: tools # the lab that is up with HTTPS and other shares of the backends, and back; after make verify
	@$(USE) python -m tests.stages --modes

.PHONY: test-exercises
test-exercises: tools # solves all exercises on the lab that is up, right and wrong
	@$(USE) pytest -q tests/exercises

.PHONY: test-production
test-production: tools workbench # docs/production.md, typed on servers that the lab did not make
	@pytest -q tests/production

.PHONY: test-servers
test-servers: tools workbench # the same on six servers with Mitogen, but for new secrets, which take minutes
	@pytest -q tests/production --small -k 'not secrets'

# What needs no machine
.PHONY: lint
lint: tools
	@yamllint --strict .
	@ansible-lint --offline --profile production
	@ruff check . && ruff format --check .
	@mypy

.PHONY: unit
unit: lab-tests app-tests

# With less priority than the app's tests, which may run beside them and wait for deadlines.
.PHONY: lab-tests
lab-tests: tools vagrant workbench
	@nice env --unset=LAB_SUBNET pytest -n auto --dist worksteal tests/unit tests/templates # they set subnets themselves

.PHONY: app-tests
app-tests: tools workbench
	@python -m pip install --quiet --no-deps --no-build-isolation --disable-pip-version-check --editable app
	@cd app && python -m pytest -n auto --dist worksteal tests/unit
	@python -m tests.workbench sh -c 'cd app && python -m pytest tests/integration'

.PHONY: vagrant
vagrant:
	@lab/bootstrap vagrant

.PHONY: test-box
test-box: # Vagrant's boxes: built, added to Vagrant, and booted without a hypervisor
	@lab/bootstrap boxes
	@pytest -q tests/box

.PHONY: workbench
workbench: tools
	@$(PLAYBOOK) --inventory inventory/lab providers/podman/workbench.yml

##@ Learn
.PHONY: exercise
exercise: tools ## begin an exercise: E=3; without E: list them
	@$(USE) python -m exercises start '$(E)'

.PHONY: check
check: tools ## check an exercise: E=3, or E=all for the mark
	@$(USE) python -m exercises check '$(E)'

QUOTED_FILTER = '$(subst ','\'',$(FILTER))'

.PHONY: demo
demo: tools ## watch a backend and a frontend fail, in two minutes
	@$(USE) python -m drills.demo

.PHONY: watch
watch: tools ## see addresses, frontends, backends and health live
	@$(USE) python -m lab.watch $(ARGS)

.PHONY: capture
capture: tools ## record packets: HOST=frontend1 FILTER='port 80'
	@$(USE) python -m lab.capture "$(HOST)" --filter $(QUOTED_FILTER) --out '$(OUT)' --seconds '$(or $(SECONDS),0)' \
		--packets '$(or $(PACKETS),0)'

##@ End
.PHONY: down
down: tools ## remove the lab; its images, keys and secrets stay
	@$(call BY_PROVIDER,vagrant destroy --force,$(PLAYBOOK) providers/podman/destroy.yml)
	@$(SETTINGS) forget

.PHONY: clean
clean: down # and the images, keys, secrets and tools
	@STAGES_MORE=1 $(PLAYBOOK) --inventory inventory/lab providers/podman/forget.yml
	@rm -rf .venv .lab

# For maintainers
.PHONY: box
box: # Vagrant's boxes for libvirt and VirtualBox: docs/vagrant.md
	@providers/vagrant/box/build

.PHONY: diagram
diagram: tools
	@env --unset=LAB_SUBNET python -m lab.diagram inventory/lab > docs/map.svg
	@env --unset=LAB_SUBNET python -m lab.diagram inventory/ha > docs/map-ha.svg

# One lock for every platform and for Python 3.11 and newer: markers select what differs.
LOCK = uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url
NPM_LOCK = npm update --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund
# npm has no option that leaves out the projects' pages for donations.
WITHOUT_PAGES = import json, pathlib, sys; file = pathlib.Path(sys.argv[1]); lock = json.loads(file.read_text()); \
	[entry.pop("funding", None) for entry in lock["packages"].values()]; \
	file.write_text(json.dumps(lock, indent=2, ensure_ascii=False) + "\n")

.PHONY: lock
lock: tools
	@cd app && $(LOCK) pyproject.toml --output-file requirements.txt
	@$(LOCK) --constraint app/requirements.txt requirements.in app/pyproject.toml --output-file requirements.txt
	@cd audit && $(LOCK) requirements.in --output-file requirements.txt
	@for folder in audit bench/peer; do \
		(cd $$folder && $(NPM_LOCK)) && python -c '$(WITHOUT_PAGES)' $$folder/package-lock.json || exit; done
