"""How close two computations of the same numbers are on any machine.

Another processor, another number of threads or another batch adds up in another order, and every
float32 addition rounds by up to 6e-8 of its terms. So an entry is off by a share of the largest
one, also where it is small because terms cancel: no absolute tolerance fits all sizes.
"""

from collections.abc import Mapping

import torch

SHARE = 1e-5  # 170 roundings; of 1,600 comparisons on four kinds of kernels the worst needs 22


def close(actual, expected, share: float = SHARE, of: float | None = None) -> None:
    """Every entry is within `share` of the largest expected one; tuples and mappings part by part.

    `of` is the size of the terms where the expected numbers are only what is left of them.
    """
    if isinstance(expected, Mapping):
        assert actual.keys() == expected.keys()
        actual, expected = tuple(actual[name] for name in expected), tuple(expected.values())
    if isinstance(expected, tuple):
        for one, other in zip(actual, expected, strict=True):
            close(one, other, share, of)
        return
    actual, expected = (torch.as_tensor(x).detach().double() for x in (actual, expected))
    largest = expected.abs().max().item() if of is None else of
    torch.testing.assert_close(actual, expected, atol=share * largest, rtol=0)
