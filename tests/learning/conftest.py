"""Small networks on a shared machine: one thread."""

import torch

torch.set_num_threads(1)
