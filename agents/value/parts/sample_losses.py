"""The loss of a sample. One of DQN's four seams.

Each takes `(prediction, target, reduction=)`, both (batch, 1): with "none" the losses (batch, 1), which a
replay may weigh, and with "mean" their mean at once.

- Huber: δ²/2 for |δ| < 1, then |δ| - 1/2. Its derivative is δ clipped to [-1, 1], which is what "clipping the
  error term" means in Mnih et al. 2015.
- MSE: δ².
"""

from __future__ import annotations

import minigrad.nn.functional as F

LOSSES = {"huber": F.huber_loss, "mse": F.mse_loss}
