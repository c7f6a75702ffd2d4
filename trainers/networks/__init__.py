"""From observations to actions and values: encoders, bodies, heads, distributions, normalisation.

Optimisers and losses do not belong here.
"""
