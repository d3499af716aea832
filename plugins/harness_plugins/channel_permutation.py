"""Which inputs of a layer make up a group of n:m, so that as much score as possible is kept.

Zhang et al., "Plug-and-Play: An Efficient Post-training Pruning Method for Large Language Models",
ICLR 2024, section 4. Reference: biomedical-cybernetics/Relative-importance-and-activation-pruning,
lib/prune.py. Scores are (out, in); a permutation is int64 (in,), place -> input, and places
g m … g m + m - 1 are group g.
"""

import torch
from torch import Tensor

from harness.plugin import InputError, Pattern


def reallocated(scores: Tensor, pattern: Pattern) -> Tensor:
    """Deal the inputs out to the groups by the sum of their scores.

    Sorted ascending they are cut into m runs, and every group gets one of each run; every second
    run is dealt backwards, so that no group gets the best of all.

    >>> scores = torch.tensor([[5.0, 1.0, 4.0, 8.0, 2.0, 6.0, 3.0, 7.0]])
    >>> reallocated(scores, Pattern(2, 4)).tolist()
    [1, 2, 0, 3, 4, 6, 5, 7]
    """
    runs = scores.sum(dim=0).argsort().reshape(pattern.of, -1)
    runs[1::2] = runs[1::2].flip(1)
    return runs.t().reshape(-1)


def assigned(scores: Tensor, permutation: Tensor, pattern: Pattern) -> Tensor:
    """Exchange inputs between groups for the largest sum of kept scores, one place at a time.

    Every group lends its input in that place, and linear sum assignment says which group gets
    which back, the other inputs of all groups being as they are; each place has its turn once.

    Raises:
        InputError: scipy, which solves it, is not installed.
    """
    groups = permutation.reshape(-1, pattern.of).clone()
    for place in range(pattern.of):
        lent = scores[:, groups[:, place]]
        others = torch.cat([groups[:, :place], groups[:, place + 1 :]], dim=1)
        # A lent input adds what it has above the least score that would be kept without it.
        least = scores[:, others].topk(pattern.keep, dim=2).values[..., -1]
        value = torch.stack(
            [torch.maximum(lent, of_group).sum(dim=0) for of_group in least.t().unsqueeze(2)]
        )
        groups[:, place] = groups[_solved(value), place]
    return groups.reshape(-1)


def _solved(value: Tensor) -> Tensor:
    """Group -> whose input it gets (groups,), for the largest total of ``value[group, whose]``."""
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError:
        raise InputError(
            "linear sum assignment needs scipy: pip install 'pruning-harness[permutation]'; "
            "permute=reallocation goes without"
        ) from None
    _, whose = linear_sum_assignment(value.double().cpu().numpy(), maximize=True)
    return torch.from_numpy(whose).to(value.device)
