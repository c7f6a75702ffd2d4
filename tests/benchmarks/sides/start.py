"""Prints the seconds from the start of `python -m trainers.ppo --env Walker2d-v5` to its first environment step."""

import subprocess
import sys
import tempfile
import time

PROGRAM = """
import sys, time
from gym_adapters import vector_env
step = vector_env.VectorEnvAdapter.step
def first(self):
    step(self)
    print("STEPPED", time.time(), flush=True)
    import os
    os._exit(0)
vector_env.VectorEnvAdapter.step = first
from trainers.training.cli import main
main(["--env", "Walker2d-v5", "--results-dir", sys.argv[1]], trainer_type="ppo")
"""

with tempfile.TemporaryDirectory() as folder:
    begin = time.time()
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, folder], capture_output=True, text=True, check=False
    )
    line = next(line for line in result.stdout.splitlines() if line.startswith("STEPPED"))
    print(float(line.split()[1]) - begin)
