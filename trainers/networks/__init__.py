"""Networks: encoders, hidden layers, heads, action distributions and the normalisation of observations.

A network maps observations to actions and values. Losses belong in `maths`, optimisers in `optim`.
"""
