"""Experience: living agents and groups, rows of decisions in a rollout or replay buffer, and batches.

Networks belong in `networks`, losses in `maths`, and the choice of actions and updates in `algorithms`.
"""
