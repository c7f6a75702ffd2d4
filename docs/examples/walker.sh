#!/bin/sh
exec .venv/bin/python -m bridge.player --env Walker2d-v5 --agents 10 "$@"
