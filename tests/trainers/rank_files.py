"""Trains with the training file of this rank: `torchrun … rank_files.py FILE-OF-RANK-0 FILE-OF-RANK-1 OPTION …`."""

import os
import sys

from trainers.training.cli import main

FIRST, SECOND, *OPTIONS = sys.argv[1:]

if __name__ == "__main__":
    raise SystemExit(main([SECOND if os.environ["RANK"] == "1" else FIRST, *OPTIONS], "ppo"))
