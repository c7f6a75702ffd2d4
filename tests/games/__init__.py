"""Players of games whose best play is known, for `python -m trainers.evaluate RUN --against tests.games.…:Player`."""
