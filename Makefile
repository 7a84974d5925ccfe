# Haulout: everything a developer types. "make help" lists it.

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
ERRCHECK    := github.com/kisielk/errcheck@v1.30.0
INEFFASSIGN := github.com/gordonklaus/ineffassign@v0.2.0
MISSPELL    := github.com/golangci/misspell/cmd/misspell@v0.8.0

.PHONY: build
build: ## build bin/haulout
	go build -o bin/haulout ./cmd/haulout

.PHONY: demo
demo: build ## three nodes on this machine, node 2 goes out for maintenance and comes back
	@scripts/setup
	@go build -o bin/demo ./e2e/demo && exec bin/demo demo

.PHONY: up
up: build ## the same three nodes, left running in .haulout (with clients: LOAD=1)
	@scripts/setup
	@go build -o bin/demo ./e2e/demo && exec bin/demo up $(if $(LOAD),--load)

.PHONY: down
down: ## end what "make up" started and remove its files
	@go build -o bin/demo ./e2e/demo && exec bin/demo down

.PHONY: test
test: ## all tests, with the race detector
	@scripts/setup race
	go test -race -timeout 30m ./...
	go test -run '^(TestGoRedisFollowsNotices|TestToldClientsFollow)$$' ./proxy ./e2e

.PHONY: lint
lint: ## format, vet and the linters
	@files=$$(git ls-files -co --exclude-standard '*.go' | xargs gofmt -l); \
	if [ -n "$$files" ]; then echo "not formatted:"; echo "$$files"; exit 1; fi
	go vet ./...
	go run $(STATICCHECK) ./...
	go run $(ERRCHECK) -ignoretests -exclude .errcheck ./...
	go run $(INEFFASSIGN) ./...
	git ls-files -co --exclude-standard | xargs go run $(MISSPELL) -error

.PHONY: bench
bench: ## side by side with others; about an hour; a part: BENCH='-row throughput -rounds 3 -short'
	@scripts/setup bench
	go run ./bench $(BENCH)

.PHONY: microbench
microbench: ## benchmarks of the hot paths: the codec and the proxy
	@scripts/setup
	go test -run '^$$' -bench . -benchmem ./resp ./proxy

.PHONY: sim
sim: ## simulated histories, as many as you like: make sim SEED=1 COUNT=20000, MATRIX=full
	SEED=$(SEED) COUNT=$(COUNT) MATRIX=$(MATRIX) go test -count=1 -timeout 24h -v ./sim

.PHONY: e2e
e2e: ## the whole story once more, as a test
	@scripts/setup race
	go test -race -count=1 -timeout 30m -v ./e2e/...

.PHONY: chaos
chaos: build ## operators at work and things going wrong, for MINUTES=5; SEED=n FROM=round ONLY="host silent" (root)
	@scripts/setup
	@go build -o bin/demo ./e2e/demo && exec bin/demo chaos $(or $(MINUTES),5) $(or $(SEED),$(shell date +%s)) $(or $(FROM),0) "$(ONLY)"

.PHONY: crashmatrix
crashmatrix: build ## each process killed, and frozen, at each boundary between the steps of maintenance; hours; PART=0/4 (root)
	@scripts/setup
	@go build -o bin/demo ./e2e/demo && exec bin/demo matrix 0 $(or $(SEED),$(shell date +%s)) $(PART)

.PHONY: suite
suite: ## the engine's own test suite through an endpoint: make suite ARGS="-shards 4 -out" (root, tcl)
	@scripts/setup
	@scripts/suite $(ARGS)

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.DEFAULT_GOAL := help
