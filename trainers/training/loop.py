"""The training loop."""

from mlagents_envs.base_env import BaseEnv

from trainers.experience.checks import checked_pair
from trainers.training.session import Session


def run(env: BaseEnv, session: Session) -> None:
    """Train every behavior of `env` until all have reached `max_steps`, or until a stop is requested.

    Each iteration reads observations and rewards, learns if a learner is ready, chooses actions, and steps the
    environment.
    """
    timers = session.timers
    session.begin(env)
    with session.environment():
        env.reset()
    while not session.finished:
        for name, spec in session.behaviors(env).items():
            with session.environment():
                steps = checked_pair(name, env.get_steps(name))
            actor = session.actor(name, spec)
            with timers("policy"):
                batch = actor.observe(*steps)
            if actor.mind.ready:
                with timers("update"):
                    actor.mind.update()
            if len(batch):
                with timers("policy"):
                    actions = actor.act(batch)
                with session.environment():
                    env.set_actions(name, actions)
        must_reset = session.advance(env)
        session.report()
        session.end_training()
        with session.environment():
            if must_reset:
                env.reset()
            else:
                env.step()
        session.take_statistics(env)
