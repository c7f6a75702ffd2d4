"""A run: the loop, its session, lessons, environments, signals, and the command line.

The maths of learning does not belong here, nor do file formats.
"""
