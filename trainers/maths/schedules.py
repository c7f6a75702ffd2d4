"""Schedules over agent steps, for learning rate, epsilon, beta and a standard deviation that is not learned."""

# The final values of linear schedules, as in ML-Agents.
LEARNING_RATE_FLOOR = 1e-10
EPSILON_FLOOR = 0.1
BETA_FLOOR = 1e-5


def decayed(initial: float, floor: float, schedule: str, step: int, max_steps: int) -> float:
    """Return the value of a schedule at agent step `step`.

    A `linear` schedule falls from `initial` at step 0 to `floor` at `max_steps`, unless `initial` is below `floor`.
    Every other schedule keeps `initial`. (ML-Agents keys `learning_rate_schedule`, `beta_schedule` and
    `epsilon_schedule`.)
    """
    if schedule != "linear" or initial <= floor:
        return initial
    return linear(initial, floor, step, max_steps)


def linear(initial: float, final: float, step: int, max_steps: int) -> float:
    """Interpolate linearly from `initial` at agent step 0 to `final` at `max_steps`. Later steps keep `final`."""
    progress = min(step / max_steps, 1.0)
    return final + (initial - final) * (1.0 - progress)
