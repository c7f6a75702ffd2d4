"""Learning from demonstrations: where they come from, and behavioral cloning.

The format of .demo files belongs in `bridge`, and GAIL, which is a reward signal, in `rewards`.
"""
