"""What agents saw, did and earned: who is alive, rows of decisions, the rollout and the replay buffer.

Networks and losses do not belong here.
"""
