"""Reward signals, one module each. A reward signal computes the rewards that agents learn from.

Advantages and losses belong in `maths`, networks in `networks`.
"""
