import pytest
import torch

from k15.models.layouts.base import expanded_length
from k15.models.layouts.bucketed import Bucketed, side_by_side
from k15.models.layouts.packed import Packed, end_to_end
from k15.models.layouts.shared import Shared
from k15.models.tiny import IMAGE, VISION_END, VISION_START, tiny_policy
from k15.tasks.make24 import Make24
from k15.types import Example

LAYOUTS = (Bucketed, Packed, Shared)
POLICY = tiny_policy(words=Make24().words)
EXAMPLES = (
    Example(prompt_tokens=(10, 11), response_tokens=(12, 13, 14)),
    Example(prompt_tokens=(20,), response_tokens=(21,)),
    Example(prompt_tokens=(30, 31), response_tokens=(32, 33), loss_mask=(False, True)),
)


def test_cut_bucketed_by_hand():
    # longest first: 9 | 5 5 (2 * 5 = 10) | 4 3 (3 * 4 would be 12) | 1
    assert side_by_side([5, 9, 3, 4, 5, 1], 10) == [[1], [0, 4], [3, 2], [5]]


def test_cut_packed_by_hand():
    # longest first, each into the first with room: 9 + 1 | 5 + 5 | 4 + 3
    assert end_to_end([5, 9, 3, 4, 5, 1], 10) == [[1, 5], [0, 4], [3, 2]]


@pytest.mark.parametrize("cut", [side_by_side, end_to_end])
@pytest.mark.parametrize("budget", [1, 40, 100, 10_000])
def test_cut_takes_every_sequence_once_within_the_budget(cut, budget):
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 100, (200,), generator=generator).tolist()
    batches = cut(lengths, budget)
    assert sorted(index for batch in batches for index in batch) == list(range(200))
    for batch in batches:
        size = [lengths[index] for index in batch]
        held = len(size) * max(size) if cut is side_by_side else sum(size)
        assert held <= budget or len(batch) == 1


def test_cut_of_nothing():
    assert end_to_end([], 10) == side_by_side([], 10) == []


@pytest.mark.parametrize("layout", LAYOUTS)
def test_refuses_a_budget_for_nothing_and_an_empty_prompt(layout):
    with pytest.raises(ValueError, match="tokens_per_microbatch=0"):
        layout().plan(POLICY, EXAMPLES, 0)
    with pytest.raises(ValueError, match="empty prompt"):
        layout().collate(POLICY, [Example(prompt_tokens=(), response_tokens=(1, 2))])


def test_bucketed_by_hand():
    batch = Bucketed().collate(POLICY, EXAMPLES)
    pad = POLICY.tokenizer.pad_token_id
    expected = [[10, 11, 12, 13, 14], [20, 21, pad, pad, pad], [30, 31, 32, 33, pad]]
    assert batch.tokens.tolist() == expected
    assert batch.positions.tolist() == [[0, 1, 2, 3, 4]] * 3
    assert (batch.sequence_lengths, batch.places, batch.features) == ((5, 2, 4), None, {})
    assert batch.source_index.tolist() == [[1, 2, 3], [5, 0, 0], [11, 12, 0]]
    assert batch.targets.tolist() == [[12, 13, 14], [21, 0, 0], [32, 33, 0]]
    assert batch.mask.tolist() == [[True] * 3, [True, False, False], [False, True, False]]


def test_packed_by_hand():
    batch = Packed().collate(POLICY, EXAMPLES)
    assert batch.tokens.tolist() == [[10, 11, 12, 13, 14, 20, 21, 30, 31, 32, 33]]
    assert batch.positions.tolist() == [[0, 1, 2, 3, 4, 0, 1, 0, 1, 2, 3]]
    assert (batch.sequence_lengths, batch.places, batch.features) == ((5, 2, 4), None, {})
    assert batch.source_index.tolist() == [[1, 2, 3], [5, 0, 0], [8, 9, 0]]
    assert batch.targets.tolist() == [[12, 13, 14], [21, 0, 0], [32, 33, 0]]
    assert batch.mask.tolist() == [[True] * 3, [True, False, False], [False, True, False]]


@pytest.mark.parametrize("layout", [Bucketed, Packed])
def test_pictures_are_expanded_in_order(layout):
    """A 28 x 112 picture is 2 x 8 patches: positions of rows and columns, features end to end."""
    task = Make24(modality="image")
    policy = tiny_policy(words=task.words, modality="image")
    prompt = tuple(policy.tokenizer.convert_tokens_to_ids([VISION_START, IMAGE, VISION_END]))
    pictures = [task.problem(index).images for index in range(2)]
    examples = [
        Example(prompt_tokens=prompt, response_tokens=(7, 8, 9), images=pictures[0]),
        Example(prompt_tokens=prompt, response_tokens=(7,), images=pictures[1]),
        Example(prompt_tokens=(9, 9), response_tokens=(8,)),
    ]
    # start, 16 patches, end, response
    lengths = (1 + 16 + 1 + 3, 1 + 16 + 1 + 1, 3)
    assert tuple(expanded_length(policy, example) for example in examples) == lengths
    batch = layout().collate(policy, examples)
    starts = (0, 21, 40) if layout is Packed else (0, 21, 42)
    patches = (batch.tokens.flatten() == policy.model.config.image_token_id).nonzero().flatten()
    assert patches.tolist() == [start + 1 + i for start in starts[:2] for i in range(16)]
    first = [start + end for start, end in zip(starts, (17, 17, 1), strict=True)]
    assert batch.source_index[:, 0].tolist() == first
    assert batch.source_index[0].tolist() == [17, 18, 19]
    # time, height, width: the picture starts at 1 and spans 2 rows and 8 columns; text goes on at 9
    expected = torch.tensor(
        [
            [0, *[1] * 16, 9, 10],
            [0, *[1] * 8, *[2] * 8, 9, 10],
            [0, *range(1, 9), *range(1, 9), 9, 10],
        ]
    )
    assert len(batch.positions) == (4 if layout is Packed else 3)  # the first one counts tokens
    second = batch.positions[-3:].flatten(1)[:, starts[1] : starts[1] + 19]
    torch.testing.assert_close(second, expected, atol=0, rtol=0)
    alone = [policy.expand(e.prompt_tokens, e.images).features for e in examples[:2]]
    assert batch.features.keys() == alone[0].keys()
    for name, value in batch.features.items():
        torch.testing.assert_close(value, torch.cat([one[name] for one in alone]), atol=0, rtol=0)
