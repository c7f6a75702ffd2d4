"""How weights are moved, and where: the optimiser, the device, threads, and the numpy path for small networks.

Losses and algorithms do not belong here.
"""
