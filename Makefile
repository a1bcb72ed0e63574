# Reage: every target sets up its own environment first. `make` alone lists the targets.
VENV    ?= .venv
PYTHON  ?= $(shell command -v python3.11 || command -v python3)
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.reage-installed
DATA    ?=
JUDGES  ?=
GOLDEN  ?= tests/assets/golden/sam.npz
SEED    ?= 0
WORKERS ?= 4

export DO_NOT_TRACK = 1
export PREFECT_SERVER_ANALYTICS_ENABLED = false

.DEFAULT_GOAL := help
.PHONY: help setup demo test check fix docs parity import-check bench bench-alignment bench-collection \
        bench-continual bench-face3d bench-floor bench-inversion bench-mli bench-my3dgen bench-mytm \
        bench-nights bench-occlusion bench-plate bench-prior bench-published bench-strength \
        bench-tolerances bench-triplane bench-video clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(STAMP) ## create the virtual environment

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	$(BIN)/python -m pip install --quiet --no-deps -c constraints.txt mediapipe
	@touch $(STAMP)

demo: $(STAMP) ## re-age the demo shot and say where the clip is
	$(BIN)/reage demo

test: $(STAMP) ## run every test, on up to WORKERS cores (4)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses logical --maxprocesses $(WORKERS) --dist worksteal

check: $(STAMP) ## lint, format and types, changing nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy flows tasks models reage studio benchmarks

fix: $(STAMP) ## lint and format in place
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP) ## write the generated documents anew
	$(BIN)/python -m reage.manifest.document

parity: $(STAMP) ## compare the networks with GOLDEN=<file.npz> SEED=<n>
	$(BIN)/python -m benchmarks.parity $(GOLDEN) --seed $(SEED)

import-check: $(STAMP) ## import seeded weights of full size and run them against the goldens (7 GB)
	$(BIN)/python -m benchmarks.import_check

bench: $(STAMP) ## seconds a frame by stage, and peak memory against shot length
	$(BIN)/python -m benchmarks.shot

bench-published: $(STAMP) ## published sizes: decoder, inference and training step against the published flow
	$(BIN)/python -m benchmarks.published_speed

bench-triplane: $(STAMP) ## a new view of a cached 3D identity: fast path against the plain one
	$(BIN)/python -m benchmarks.triplane_speed

bench-alignment: $(STAMP) ## judge FFHQ alignment by the mesh: DATA=<utkface folder>
	$(BIN)/python -m benchmarks.alignment $(if $(DATA),--data $(DATA))

bench-prior: $(STAMP) ## judge a prior against its targets: DATA=<utkface folder> JUDGES=<evaluators folder> [PRIOR=<folder>] [CARD=1]
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.prior --data $(DATA) --judges $(JUDGES) $(if $(PRIOR),--prior $(PRIOR)) $(if $(CARD),--card)

bench-floor: $(STAMP) ## how near to real faces of an age re-aged ones could come: DATA=<utkface folder> JUDGES=<evaluators folder>
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.prior_floor --data $(DATA) --judges $(JUDGES)

bench-plate: $(STAMP) ## judge the change at plate resolution: CLIPS="<movie> ..." JUDGES=<evaluators folder> [PRIOR=<folder>]
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.plate --judges $(JUDGES) $(if $(CLIPS),--clips $(CLIPS)) $(if $(PRIOR),--prior $(PRIOR))

bench-video: $(STAMP) ## judge how a shot holds over time, by mode: CLIPS="<movie> ..." JUDGES=<evaluators folder> [PRIOR=<folder>]
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.video --judges $(JUDGES) $(if $(CLIPS),--clips $(CLIPS)) $(if $(PRIOR),--prior $(PRIOR))

bench-face3d: $(STAMP) ## turn held-out faces and judge them: DATA=<utkface folder> JUDGES=<evaluators folder> [PRIOR=<folder>] [CARD=1]
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.face3d --data $(DATA) --judges $(JUDGES) $(if $(PRIOR),--prior $(PRIOR)) $(if $(CARD),--card)

bench-inversion: $(STAMP) ## invert held-out faces by optimisation, turn and judge them (half an hour): DATA=<utkface folder> JUDGES=<evaluators folder> [PRIOR=<folder>]
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.face3d_inverted --data $(DATA) --judges $(JUDGES) $(if $(PRIOR),--prior $(PRIOR)) --project-steps 80 --tune-steps 200

bench-occlusion: $(STAMP) ## judge what is kept in front of faces: CLIPS="<movie> ..." HAND=<movie> [BARE="<movie> ..."]
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.occlusion --clips $(CLIPS) --hand $(HAND) $(if $(BARE),--bare $(BARE))

bench-collection: $(STAMP) ## what gathering 10, 50 and 500 photographs costs
	$(BIN)/python -m benchmarks.collection

bench-continual: $(STAMP) ## what nightly updates remember, by buffer: CLIPS="<movie> ..." MORE_CLIPS="<movie> ..." DATA=<utkface folder> JUDGES=<evaluators folder>
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.continual --data $(DATA) --judges $(JUDGES) $(if $(CLIPS),--clips $(CLIPS)) $(if $(MORE_CLIPS),--more-clips $(MORE_CLIPS))

bench-nights: $(STAMP) ## simulate a year of nightly updates: storage, and what choosing a buffer costs
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.nights

bench-tolerances: $(STAMP) ## what good and bad nights forget, and the gate lets through: DATA=<utkface folder> CLIPS="<movie> ..."
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.tolerances --data $(DATA) $(if $(CLIPS),--clips $(CLIPS))

bench-mli: $(STAMP) ## loss and error between a network's start and end: plateaus, biases, depth, scale
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.mli

bench-my3dgen: $(STAMP) ## personalise a 3D generator on synthetic actors: full against ranks 1, 2, 4, 8: [PRIOR=<name or folder> DATA=<utkface folder>]
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.my3dgen $(if $(PRIOR),--prior $(PRIOR)) $(if $(DATA),--data $(DATA))

bench-mytm: $(STAMP) ## compare ways of personalising: DATA=<utkface folder> JUDGES=<evaluators folder> [COLLECTION=<actor.yaml>]
	$(BIN)/python -m benchmarks.mytm --data $(DATA) --judges $(JUDGES) $(addprefix --collection ,$(COLLECTION))

bench-strength: $(STAMP) ## how even an adapter's strength looks, by line: DATA=<utkface folder> JUDGES=<evaluators folder>
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.strength --data $(DATA) --judges $(JUDGES)

clean: ## remove what runs left behind (not the environment)
	rm -rf work .pytest_cache .mypy_cache .ruff_cache build *.egg-info
