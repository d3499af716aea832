"""The sparsity that a count was rounded from.

Budgets here are counts; released code compares with the number that was asked for.
"""

from itertools import count


def asked_sparsity(numel: int, drop: int) -> float:
    """The decimal of fewest digits that asks for `drop` of `numel` weights, to within one.

    >>> asked_sparsity(11_520, 8_064), asked_sparsity(9, 3), asked_sparsity(16_384, 9_011)
    (0.7, 0.3, 0.55)
    """
    rounded = (round(drop / numel, digits) for digits in count())
    return next(sparsity for sparsity in rounded if abs(numel * sparsity - drop) < 1)
