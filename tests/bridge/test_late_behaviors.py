"""A behavior that one player has shown and another, started again, has not."""

import time
from pathlib import Path

from processes import PATIENCE, PLAYER
from scripted_player import CONTINUOUS, HYBRID
from test_workers import break_with_kill, workers


def test_a_restarted_player_needs_no_actions_for_a_behavior_that_it_has_not_shown_yet(tmp_path: Path) -> None:
    """The other player goes on showing it, so that a trainer chooses actions for it meanwhile."""
    with workers([(PLAYER, "ledger", "--agents", 2)] * 2, tmp_path) as (env, started):
        env.reset()
        killed, alone, late = False, False, False
        deadline = time.monotonic() + PATIENCE
        while not late:
            assert time.monotonic() < deadline
            asking = {name: env.get_steps(name)[0].agent_id for name in env.behavior_specs}
            for name, agents in asking.items():
                env.set_actions(name, env.behavior_specs[name].action_spec.empty_action(len(agents)))
            if not killed and len(asking) == 2:
                break_with_kill(started[0])
                killed = True
            of_first = {name: bool((agents % 2 == 0).any()) for name, agents in asking.items()}
            alone |= len(started) == 3 and of_first[HYBRID] and not of_first[CONTINUOUS]
            late = alone and of_first[CONTINUOUS]
            env.step()
