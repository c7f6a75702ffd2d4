"""torch's own Adam, ready to be made at any time.

The first one that is made loads torch's compiler, and with it Triton, which ends the process if Mesa has drawn before.
"""

import torch._dynamo  # noqa: F401
from torch.optim import Adam as ReferenceAdam

__all__ = ["ReferenceAdam"]
