"""Search for settings: many short trainings, with values that Optuna proposes. See `python -m trainers.search --help`.

What one training does belongs in `training`, and the comparison of given settings in `compare`.
"""
