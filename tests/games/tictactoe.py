"""The perfect player of tic-tac-toe, as `pettingzoo.classic/tictactoe_v3` shows it.

python -m trainers.evaluate RUN --against tests.games.tictactoe:PerfectPlayer --games 1000 --deterministic
"""

from collections.abc import Mapping
from functools import cache

import numpy as np
from mlagents_envs.base_env import ActionTuple, BehaviorSpec, DecisionSteps

LINES = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))

Board = tuple[int, ...]
"""Nine squares: 1 is the player on turn, -1 the other one, 0 empty."""


@cache
def value(board: Board) -> int:
    """What the player on turn reaches if both play as well as possible: 1, 0 or -1."""
    if any(all(board[square] == -1 for square in line) for line in LINES):
        return -1
    moves = [square for square in range(9) if not board[square]]
    return max((-value(after(board, move)) for move in moves), default=0)


def after(board: Board, move: int) -> Board:
    """The board after a move, as the other player sees it."""
    return tuple(-1 if square == move else -mark for square, mark in enumerate(board))


def best_moves(board: Board) -> list[int]:
    """All moves after which the player on turn still reaches `value(board)`."""
    free = [square for square in range(9) if not board[square]]
    return [move for move in free if -value(after(board, move)) == value(board)]


class PerfectPlayer:
    """Plays any of the best moves with the same probability. See `trainers.playback.match.Side`."""

    def __init__(self, specs: Mapping[str, BehaviorSpec], seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def act(self, behavior: str, steps: DecisionSteps) -> ActionTuple:
        boards = steps.obs[0].reshape(len(steps), 9, 2).astype(int)
        moves = [
            self.random.choice(best_moves(tuple(own - other for own, other in board))) for board in boards
        ]
        return ActionTuple(np.zeros((len(steps), 0), np.float32), np.array(moves, np.int32)[:, None])
