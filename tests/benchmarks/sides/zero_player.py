"""A player of zero cost, or with `--pause` of a known one: it answers with messages that it serialised at its start.

It has Walker's shape: 243 observations and 39 continuous actions per agent. There is no simulation. Observations and
rewards are random, each agent's episode ends every 200 steps, a tenth of the agents at a time, and actions are ignored.
With `--times FOLDER`, a player writes one file with its times once it has served `--steps` agent steps. With
`--pause SECONDS`, it waits so long before each answer, as a scene does that computes on another core.
"""

import argparse
import time
from pathlib import Path

import grpc
import numpy as np

from bridge import wire

BEHAVIOR = "Walker?team=0"
OBSERVATIONS, ACTIONS = 243, 39
SHARES = 10
"""Number of parts of the agents. The episodes of one part end at the same time."""
EVERY = 20
"""Messages from the end of one part's episodes to the end of the next part's."""
QUIT = wire.message(wire.QUIT).SerializeToString()


def batch(agents: int, ending: int, rng: np.random.Generator) -> tuple[bytes, int]:
    """Return one message, and the number of its agents that request a decision. The episodes of part `ending` end."""
    message = wire.message()
    values = message.unity_output.rl_output.agentInfos[BEHAVIOR].value
    observations = rng.standard_normal((agents, OBSERVATIONS), np.float32)
    rewards = rng.uniform(0, 1, agents)
    asking = 0
    for agent in range(agents):
        done = agent % SHARES == ending
        asking += not done
        info = values.add(id=agent, reward=rewards[agent], done=done)
        observation = info.observations.add(name=f"VectorSensor_size{OBSERVATIONS}")
        observation.shape.append(OBSERVATIONS)
        observation.dimension_properties.append(1)
        observation.float_data.data = observations[agent].tobytes()
    return message.SerializeToString(), asking


def first_batch(agents: int, rng: np.random.Generator) -> bytes:
    """Return a message that introduces the behavior."""
    message = wire.UnityMessage.FromString(batch(agents, -1, rng)[0])
    parameters = message.unity_output.rl_initialization_output.brain_parameters.add(
        brain_name=BEHAVIOR, is_training=True
    )
    parameters.action_spec.num_continuous_actions = ACTIONS
    return bytes(message.SerializeToString())


def hello() -> bytes:
    """Return the message that introduces the player."""
    message = wire.message()
    output = message.unity_output.rl_initialization_output
    output.name, output.communication_version, output.package_version = "zero", wire.API_VERSION, "2.3.0"
    wire.set_capabilities(output.capabilities)
    return bytes(message.SerializeToString())


def serve(port: int, agents: int, steps: int, times: Path | None, pause: float) -> None:
    """Play until the trainer leaves.

    Args:
        port: the trainer's port.
        agents: number of agents.
        steps: agent steps after which the times are written.
        times: the folder for the times; None writes none.
        pause: seconds to wait before each answer.
    """
    rng = np.random.default_rng(port)
    plain = [batch(agents, -1, rng) for _ in range(16 if agents <= 1000 else 2)]
    ending = [batch(agents, part, rng) for part in range(min(SHARES, agents))]
    first = first_batch(agents, rng)
    options = (*wire.CHANNEL_OPTIONS, ("grpc.enable_http_proxy", 0))
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        exchange = channel.unary_unary(wire.METHOD)
        exchange(hello(), wait_for_ready=True, timeout=120)
        exchange(wire.message().SerializeToString())
        served, count, log = agents, 0, [(time.monotonic(), 0)]
        answer = exchange(first)
        while answer != QUIT:
            now = time.monotonic()
            if times is not None:
                log.append((now, served))
                if served >= steps:
                    write(times / f"player-{port}.npy", log)
                    times = None
            part, place = divmod(count, EVERY)
            message, asking = ending[part % len(ending)] if place == EVERY - 1 else plain[count % len(plain)]
            if pause:
                time.sleep(pause)
            answer = exchange(message)
            served += asking
            count += 1


def write(path: Path, log: list[tuple[float, int]]) -> None:
    """Write the times in seconds and the agent steps served so far, atomically."""
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        np.save(file, np.array(log))
    unfinished.replace(path)


def main() -> None:
    """Serve a trainer as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mlagents-port", type=int, default=5004)
    parser.add_argument("--agents", type=int, default=10)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--times", type=Path)
    parser.add_argument("--pause", type=float, default=0.0)
    arguments, _ = parser.parse_known_args()
    try:
        serve(arguments.mlagents_port, arguments.agents, arguments.steps, arguments.times, arguments.pause)
    except grpc.RpcError as error:
        raise SystemExit(f"the trainer has ended: {error.details()}") from None


if __name__ == "__main__":
    main()
