"""The training loop."""

from mlagents_envs.base_env import BaseEnv

from trainers.experience.checks import checked_pair
from trainers.training.session import Session


def run(env: BaseEnv, session: Session) -> None:
    """Train every behavior of `env` until all have reached `max_steps`, or until a stop is requested.

    Each iteration reads observations and rewards, learns if a learner is ready, chooses actions, and steps the
    environment. Behaviors take their turns one after the other, or with several ranks all at once.
    """
    timers = session.timers
    session.begin(env)
    with session.environment():
        env.reset()
    while not session.finished:
        for turn in session.turns(env):
            asking = []
            for name, spec in turn:
                with session.environment():
                    steps = checked_pair(name, env.get_steps(name))
                actor = session.actor(name, spec)
                with timers("policy"):
                    asking.append((name, actor, actor.observe(*steps)))
            session.learn([actor for _, actor, _ in asking])
            for name, actor, batch in asking:
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
