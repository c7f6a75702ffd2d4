"""Pure functions: returns, losses, schedules, the natural gradient. Each has its formula and source beside it.

Nothing here holds state, reads settings or knows an agent.
"""
