"""Reward signals, one file each: what the agents are paid for.

Advantages and losses do not belong here.
"""
