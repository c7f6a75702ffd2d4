"""Pure functions with formula and source: returns, soft values, bins, losses, natural gradient, schedules, seeds, Elo.

A function here keeps no state, reads no settings and knows no agents. Networks belong in `networks`, optimisers in
`optim`, and the order of an update in `algorithms`.
"""
