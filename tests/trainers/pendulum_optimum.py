"""The best that can be reached on Pendulum-v1 from given starts, by dynamic programming over a fine grid.

`python tests/trainers/pendulum_optimum.py FIRST_SEED [EPISODES]` prints the return of the best policy found for episode
i seeded FIRST_SEED + i. Values are those of a grid, but the returns are Gymnasium's own: they can be reached.

Source: Bellman 1957, "Dynamic Programming"; the dynamics are Gymnasium's `PendulumEnv`.
"""

import sys

import gymnasium
import numpy as np

HORIZON = 200
STEP, GRAVITY, MAX_SPEED, MAX_TORQUE = 0.05, 10.0, 8.0, 2.0


class Values:
    """What remains to be paid, for every step of the episode, at every angle and speed.

    Args:
        angles: grid points around the circle.
        speeds: grid points from -8 to 8.
        torques: torques tried in every backup.
    """

    def __init__(self, angles: int = 401, speeds: int = 401, torques: int = 31) -> None:
        self.angles, self.speeds = angles, speeds
        angle = -np.pi + 2 * np.pi * np.arange(angles) / angles
        speed = np.linspace(-MAX_SPEED, MAX_SPEED, speeds)
        grid = np.meshgrid(angle, speed, indexing="ij")
        flat = grid[0].ravel(), grid[1].ravel()
        tried = np.linspace(-MAX_TORQUE, MAX_TORQUE, torques)
        moves = [(cost(*flat, torque), *self._corners(*advance(*flat, torque))) for torque in tried]
        value = np.zeros(angles * speeds, np.float32)
        self.by_step = [value]
        for _ in range(HORIZON):
            best = np.full_like(value, np.inf)
            for paid, places, weights in moves:
                np.minimum(best, paid + (value[places] * weights).sum(0), out=best)
            value = best
            self.by_step.append(value)
        self.by_step.reverse()

    def at(self, step: int, angle: np.ndarray, speed: np.ndarray) -> np.ndarray:
        """What remains to be paid from `step` on, between grid points."""
        places, weights = self._corners(angle, speed)
        remaining: np.ndarray = (self.by_step[step][places] * weights).sum(0)
        return remaining

    def _corners(self, angle: np.ndarray, speed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The four grid points around each state, and their weights, each (4, n)."""
        x = (angle + np.pi) / (2 * np.pi) * self.angles
        y = (speed + MAX_SPEED) / (2 * MAX_SPEED) * (self.speeds - 1)
        left, low = np.floor(x).astype(int), np.minimum(np.floor(y).astype(int), self.speeds - 2)
        a, b = x - left, y - low
        columns = [left % self.angles, (left + 1) % self.angles]
        places = [column * self.speeds + low + more for column in columns for more in (0, 1)]
        weights = [(1 - a) * (1 - b), (1 - a) * b, a * (1 - b), a * b]
        return np.stack(places).astype(np.int32), np.stack(weights).astype(np.float32)


def normal(angle: np.ndarray) -> np.ndarray:
    """The same angle between -pi and pi."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def cost(angle: np.ndarray, speed: np.ndarray, torque: np.ndarray | float) -> np.ndarray:
    """What a step costs, the negative of Gymnasium's reward."""
    paid: np.ndarray = (normal(angle) ** 2 + 0.1 * speed**2 + 0.001 * np.square(torque)).astype(np.float32)
    return paid


def advance(
    angle: np.ndarray, speed: np.ndarray, torque: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """Angle and speed after a step."""
    speed = speed + (1.5 * GRAVITY * np.sin(angle) + 3.0 * torque) * STEP
    speed = np.clip(speed, -MAX_SPEED, MAX_SPEED)
    return angle + speed * STEP, speed


def best_returns(values: Values, seeds: list[int]) -> list[float]:
    """Gymnasium's returns of the policy that looks one step ahead with these values."""
    env = gymnasium.make("Pendulum-v1")
    torques = np.linspace(-MAX_TORQUE, MAX_TORQUE, 801)
    returns = []
    for seed in seeds:
        env.reset(seed=seed)
        total = 0.0
        for step in range(HORIZON):
            angle, speed = np.asarray(env.unwrapped.state)
            ahead = values.at(step + 1, *advance(angle, speed, torques))
            torque = torques[np.argmin(cost(angle, speed, torques) + ahead)]
            _, reward, *_ = env.step(np.array([torque], np.float32))
            total += float(reward)
        returns.append(total)
    env.close()
    return returns


if __name__ == "__main__":
    first, count = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20
    found = best_returns(Values(), [first + i for i in range(count)])
    sys.stdout.write(f"mean {np.mean(found):.3f}, std {np.std(found):.3f} over {count} episodes\n")
