"""Thresholds that take what equals them along: one weight more goes than asked, and all its ties.

locuslab/wanda, IST-DASLab/sparsegpt and ylsung/ECoFLaP all sort the scores, look up the entry at
index int(n s), counted from 0, and prune whatever is at most that.
"""

import torch
from torch import Tensor


def keep_above_index(scores: Tensor, drop: int) -> Tensor:
    """Keep what is larger than the score at index `drop` of all scores in ascending order.

    >>> keep_above_index(torch.tensor([[3.0, 1.0], [2.0, 2.0]]), 1).tolist()
    [[True, False], [False, False]]
    """
    if drop >= scores.numel():  # nothing is left to look up
        return torch.zeros_like(scores, dtype=torch.bool)
    return scores > scores.flatten().sort().values[drop]
