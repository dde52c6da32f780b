"""What the loss gets of a response, however micro-batches are laid out."""

import pytest
import torch

from k15.models.layouts.base import Layout
from k15.models.layouts.bucketed import Bucketed
from k15.models.layouts.packed import Packed
from k15.models.layouts.shared import Shared
from k15.models.tiny import tiny_policy
from k15.modules.micro_batches import cut, response
from k15.tasks.make24 import Make24
from k15.types import Rollout, RolloutGroup, Segment


@pytest.mark.parametrize("layout", [Bucketed(), Packed(), Shared()])
def test_every_token_keeps_what_belongs_to_it(layout: Layout) -> None:
    """Lengths 3 and 5; the second one's last segment is of this iteration, the first one has an
    advantage for all tokens, the second one for each.
    """
    policy = tiny_policy(words=Make24().words, hidden_size=32, layers=1)
    older = Segment(tokens=(7, 8, 9), logps=(-1.0, -2.0, -3.0), version=3)
    newer = Segment(tokens=(10, 11), logps=(-4.0, -5.0), version=4)
    short, long = Rollout(segments=(older,)), Rollout(segments=(older, newer))
    problem = Make24().problem(0)
    group = RolloutGroup(
        problem=problem, prompt_tokens=policy.encode(problem), rollouts=(short, long)
    )
    given = [
        response(group, short, torch.tensor([0.5]), (True, True, False), version=4),
        response(group, long, torch.arange(5.0), (False, *[True] * 4), version=4),
    ]
    (whole,) = cut(policy, given, 1000, layout)
    micro = whole.laid_out(policy, layout)
    counts = {"sequences": 2.0, "tokens": 6.0}
    inputs = micro.inputs(torch.zeros(2, 5), counts)
    order = inputs.mask_BT.sum(-1).argsort()  # 2 tokens of the short one, 4 of the long one
    assert micro.batch.targets[order].tolist() == [[7, 8, 9, 0, 0], [7, 8, 9, 10, 11]]
    assert inputs.advantage_BT[order].tolist() == [[0.5, 0.5, 0.5, 0, 0], [0, 1, 2, 3, 4]]
    assert inputs.engine_logp_BT[order].tolist() == [[-1, -2, -3, 0, 0], [-1, -2, -3, -4, -5]]
    assert inputs.mask_BT[order].tolist() == [[True] * 2 + [False] * 3, [False] + [True] * 4]
    assert micro.fresh_BT[order].tolist() == [[False] * 5, [False] * 3 + [True] * 2]
    assert (inputs.sequences, inputs.tokens) == (2.0, 6.0)
    assert torch.equal(inputs.reference_logp_BT, torch.zeros(2, 5))  # still the policy itself
    whole.reference_logp_BT = torch.ones(2, 5)
    later = whole.laid_out(policy, layout).inputs(torch.zeros(2, 5), counts)
    assert torch.equal(later.log_ratio_BT, -inputs.mask_BT.float())
