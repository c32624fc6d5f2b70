# SPDX-License-Identifier: Apache-2.0
# build run federation test race fuzz lint gen soak docs spec

GO       ?= go
FUZZTIME ?= 2s
KILLS    ?= 1000
SECTIONS := format vet lint gen unit race fuzz crash spec

.DEFAULT_GOAL := build
.PHONY: build run federation test race fuzz lint gen soak docs conformance spec go postgres node $(addprefix check-,$(SECTIONS))

# build makes bin/parley.
build: go
	$(GO) build -o bin/parley ./server

# run starts a server on this machine, on http://localhost:8080, with its data in ./data.
run: postgres build
	exec bin/parley serve

# federation starts two homeservers that talk to each other: a.test on http://localhost:8081 and b.test on
# http://localhost:8082, with their data in ./data/federation. FEDERATION holds further flags: bin/twoservers -help.
federation: postgres build
	$(GO) build -o bin/twoservers ./internal/twoservers
	@exec bin/twoservers $(FEDERATION)

# test is everything a change must pass, in order, with the time each section took.
test: go postgres node
	@begin=$$(date +%s); \
	for section in $(SECTIONS); do \
		printf '\n=== %s\n' "$$section"; start=$$(date +%s); \
		if ! $(MAKE) --no-print-directory check-$$section; then \
			printf '=== %s FAILED after %d s; alone: make check-%s\n' "$$section" $$(($$(date +%s) - start)) "$$section"; exit 1; \
		fi; \
		printf '=== %s passed in %d s\n' "$$section" $$(($$(date +%s) - start)); \
	done; \
	printf '\nall passed in %d s\n' $$(($$(date +%s) - begin))

race: check-race
fuzz: check-fuzz
lint: check-format check-vet check-lint
spec: check-spec

# gen makes every generated file again, docs included.
gen: go
	$(GO) generate ./...
	@$(MAKE) --no-print-directory docs

# docs makes the pages again that follow from code.
docs: go
	$(GO) test -count=1 -run 'IsCurrent$$' ./server/config ./internal/archtest -update

# conformance runs the published suite against a server of its own, crashes included. CONFORMANCE holds further flags.
conformance: go postgres
	@GO=$(GO) sh conformance/own.sh $(CONFORMANCE)

# soak kills servers under load, KILLS times, and two servers that federate a quarter as often, and checks that nothing acknowledged
# is lost and that both have the same logs.
soak: go postgres
	$(GO) test ./internal/crash -count=1 -timeout=0 -v -kills=$(KILLS) -pair-kills=$$(($(KILLS) / 4)) -pair-cuts=$$(($(KILLS) / 8))

check-format:
	@wrong=$$(git ls-files -co --exclude-standard '*.go' 2>/dev/null | xargs -r ls -d 2>/dev/null | xargs -r gofmt -l); \
	if [ -n "$$wrong" ]; then echo "not formatted; run gofmt -w on:"; echo "$$wrong"; exit 1; fi

check-vet:
	@$(GO) vet ./...

check-lint:
	@$(GO) tool staticcheck ./...

# The generated files must be those that the sources make. Compared with what is on the disk, not with the last commit.
check-gen:
	@state() { git diff --no-ext-diff; git ls-files -o --exclude-standard | xargs -r -d '\n' sha256sum; }; \
	before=$$(state | sha256sum); $(MAKE) --no-print-directory gen >/dev/null || exit 1; after=$$(state | sha256sum); \
	if [ "$$before" != "$$after" ]; then \
		echo "generated files were not current; they are now, look at them and commit:"; git status --short; exit 1; \
	fi

# Where network namespaces are not allowed, the tests in netlab skip; that is said here. With PARLEY_NETLAB=must they fail.
check-unit:
	@$(GO) test -shuffle=on ./...
	@$(GO) test -count=1 -v -run '^TestLab_HostsReach' ./internal/netlab | grep '^Test.*NOT RUN' || true

# The race detector is slow, so it gets only packages that have something to race: they or their tests use sync. What the
# crash loop, servers in a network of their own and the wrong servers run is another process.
check-race:
	@command -v gcc >/dev/null || { echo "the race detector needs a C compiler: apt-get install gcc libc6-dev"; exit 1; }
	@packages=$$($(GO) list -f '{{.ImportPath}} {{join .Imports " "}} {{join .TestImports " "}} {{join .XTestImports " "}} ' ./... \
		| grep -E ' (sync|sync/atomic|testing/synctest|golang.org/x/sync/[a-z]+) ' | cut -d' ' -f1 \
		| grep -vE '/(internal/crash|internal/netlab/servers|conformance/mutants)$$' || true); \
	[ -z "$$packages" ] || CGO_ENABLED=1 $(GO) test -race $$packages

# Every fuzz target for FUZZTIME. A find lies in testdata/fuzz of its package afterwards: commit it with the repair.
# The go command sometimes reports its own deadline as a failure when the time is over; without a find it is tried again.
check-fuzz:
	@git ls-files -co --exclude-standard '*_test.go' | xargs -r grep -HoE '^func Fuzz[A-Za-z0-9_]*\(' 2>/dev/null \
	| sed -E 's|^(.*)/[^/]*:func (Fuzz[^(]*)\(|\1 \2|' | sort -u | while read -r dir name; do \
		fuzz() { $(GO) test -run='^$$' -fuzz="^$$name$$" -fuzztime=$(FUZZTIME) "./$$dir" 2>&1; }; \
		if ! out=$$(fuzz); then \
			case "$$out" in \
			*"Failing input written"*|*"hung or terminated"*) again=no ;; \
			*"context deadline exceeded"*) again=yes ;; \
			*) again=no ;; esac; \
			[ $$again = yes ] && out=$$(fuzz) || { echo "$$out"; echo "$$dir: $$name found something"; exit 1; }; \
		fi; \
		printf '%-40s %s\n' "$$dir" "$$name"; \
	done

check-crash:
	@if [ -d internal/crash ]; then $(GO) test ./internal/crash -count=1 -timeout=10m -v -kills=30 -pair-kills=8 -pair-cuts=4; \
	else echo "no internal/crash here: nothing to do"; fi

# What others wrote looks at spec/ and at a server: Redocly, AsyncAPI's parser, ajv, TypeScript, Prism. The first run needs
# the network to install them; whatever telemetry they have is off.
check-spec: export REDOCLY_TELEMETRY := off
check-spec: export REDOCLY_SUPPRESS_UPDATE_NOTICE := true
check-spec: go postgres node $(addsuffix /node_modules/.package-lock.json,spec/tools conformance/clients/ts)
	@cd spec/tools && node lint.mjs && node asyncapi.mjs && node examples.mjs && node federation.mjs
	@cd conformance/clients/ts && node_modules/.bin/openapi-typescript ../../../spec/openapi.yaml -o build/api.d.ts >/dev/null \
		&& node_modules/.bin/tsc && echo "TypeScript: the types of openapi.yaml and the client compile"
	@cd spec/tools && GO="$(GO)" node outside.mjs

# npm leaves this file when it has installed what the lock says; no package may run scripts of its own.
%/node_modules/.package-lock.json: %/package-lock.json %/package.json | node
	@cd $* && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && touch node_modules/.package-lock.json

go:
	@command -v $(GO) >/dev/null || { echo "Go is missing: install Go 1.26 or newer from https://go.dev/dl/ and put it into PATH"; exit 1; }

node:
	@node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || a == 20 && b >= 19 ? 0 : 1)' 2>/dev/null \
	&& command -v npm >/dev/null || { echo "Node.js is missing or too old: install Node.js 20.19 or newer with npm from https://nodejs.org"; exit 1; }

# PostgreSQL's server programs are needed unless a database is named. Debian's package would also start a cluster of its
# own on port 5432; that is switched off, because parley runs a private one.
postgres:
	@[ -z "$$PARLEY_DATABASE_DSN$$PARLEY_DATABASE_DSN_FILE" ] || exit 0; \
	for p in $$(command -v initdb) /usr/lib/postgresql/*/bin/initdb; do [ ! -x "$$p" ] || exit 0; done; \
	echo "PostgreSQL's server programs are missing (looked in PATH and /usr/lib/postgresql/*/bin)"; \
	if ! command -v apt-get >/dev/null; then echo "install PostgreSQL 15 or newer (initdb and postgres in PATH)"; exit 1; fi; \
	if [ "$$(id -u)" = 0 ]; then as=; \
	elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then as=sudo; \
	else echo "run as root: apt-get install postgresql"; exit 1; fi; \
	echo "installing Debian's package postgresql"; export DEBIAN_FRONTEND=noninteractive; \
	{ $$as apt-get update -qq && $$as apt-get install -y -qq --no-install-recommends postgresql-common \
		&& $$as sed -i -E 's/^#? *create_main_cluster *=.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf \
		&& $$as apt-get install -y -qq --no-install-recommends postgresql; } \
	|| { echo "that did not work; run as root: apt-get install postgresql"; exit 1; }
