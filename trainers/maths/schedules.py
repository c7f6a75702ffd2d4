"""What changes with the agent-step count: learning rate, epsilon, beta, a deviation that is not learned."""

LEARNING_RATE_FLOOR = 1e-10
EPSILON_FLOOR = 0.1
BETA_FLOOR = 1e-5


def decayed(initial: float, floor: float, schedule: str, step: int, max_steps: int) -> float:
    """The value at agent step `step`.

    `constant` keeps `initial`; `linear` falls from `initial` at step 0 to `floor` at `max_steps` (ML-Agents keys
    `learning_rate_schedule`, `beta_schedule`, `epsilon_schedule`). An initial value under the floor stays.
    """
    if schedule != "linear" or initial <= floor:
        return initial
    return linear(initial, floor, step, max_steps)


def linear(initial: float, final: float, step: int, max_steps: int) -> float:
    """The value at agent step `step` on the straight line from `initial` at step 0 to `final` at `max_steps`."""
    progress = min(step / max_steps, 1.0)
    return final + (initial - final) * (1.0 - progress)
