# Everything goes through start.py, which Windows readers call themselves: python start.py lab
export OMP_WAIT_POLICY := PASSIVE
START := python3 start.py

.PHONY: help lab copy learner pack test test-fast lowest notebooks lint site bench prove clean

help: ## list what `make` can do
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## */\1\t/' | expand -t 14

lab: ## open the lessons in my_lessons/;  ARGS=--no-browser on a server;  FRESH=1 for a new working copy
	@$(START) lab $(if $(FRESH),--fresh) $(ARGS)

copy: ## the lessons without their answers, in my_lessons/ or in ARGS=folder; installs nothing
	@$(START) copy $(ARGS)

learner: ## the course without answers and solutions, to hand out, in DIR=folder; installs nothing
	@$(START) learner $(DIR) $(ARGS)

pack: ## that, and what thirty laptops without network need, in DIR=folder;  ARGS="--platforms windows,macos"
	@$(START) pack $(DIR) $(ARGS)

test: ## the fast tests with one thread, then every test and every notebook;  ARGS=… only what they say
	@$(START) test $(ARGS)

test-fast: ## the tests that train nothing, under three minutes
	@$(START) fast $(ARGS)

lowest: ## every test and every notebook with the oldest versions that pyproject.toml allows, in .venv-lowest
	@$(START) lowest $(ARGS)

notebooks: ## run the lessons and store their outputs;  ARGS="04 --avx2" for one of them, at a laptop's pace
	@$(START) notebooks $(ARGS)

lint: ## rules and layout of every file, by ruff
	@$(START) lint $(ARGS)

site: ## the course as pages to read and search, in build/site;  ARGS=--pdf prints each lesson, too
	@$(START) site $(ARGS)

bench: ## what may change from machine to machine, measured;  ARGS=precision
	@$(START) bench $(ARGS)

prove: ## run the lessons as other machines would: how far is each assert from failing?  ARGS="04 --runs 20"
	@$(START) prove $(ARGS)

clean: ## remove what can be made again; my_lessons/ stays
	rm -rf .venv .venv-lowest build dist *.egg-info .pytest_cache .ruff_cache
