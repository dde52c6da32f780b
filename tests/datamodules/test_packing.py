"""Pieces go whole into the fullest pack with room."""

from random import Random

from k15.datamodules.packing import Packer, Piece
from k15.types import Example


def piece(number: int, length: int) -> Piece:
    example = Example(prompt_tokens=(1,), response_tokens=(2,) * (length - 1))
    return Piece("s", 0, number, 0, 20, f"s/{number}", example, length)


def packed(lengths: list[int], capacity: int, most_open: int) -> list[list[int]]:
    """Lengths in the packs, in the order in which they are closed."""
    packer = Packer(most_open)
    closed = []
    for number, length in enumerate(lengths):
        if full := packer.add(piece(number, length), capacity):
            closed.append(full)
    while packer.open:
        closed.append(packer.close(capacity))
    return [[one.length for one in pieces] for pieces in closed]


def test_by_hand():
    # 12 | 12, 9 in another | 5 to the 12: full, since less than 4 tokens are left | 6 to the 9
    assert packed([12, 9, 5, 6], capacity=20, most_open=2) == [[12, 5], [9, 6]]
    # 12, 9, and 15 needs a third: the fullest is closed
    assert packed([12, 9, 15], capacity=20, most_open=2) == [[12], [15], [9]]


def test_every_piece_once_within_the_budget_and_little_is_left():
    """1,000 pieces of 5 to 100 tokens in packs of 256: 52,478 tokens."""
    random = Random(0)
    lengths = [random.randint(5, 100) for _ in range(1000)]
    packs = packed(lengths, capacity=256, most_open=32)
    assert sorted(length for pack in packs for length in pack) == sorted(lengths)
    assert all(sum(pack) <= 256 for pack in packs)
    assert 1 - sum(lengths) / (256 * len(packs)) < 0.03


def test_a_pack_that_was_begun_under_a_larger_budget_waits_for_it():
    packer = Packer(most_open=1)
    packer.add(piece(0, 15), 20)
    assert packer.add(piece(1, 5), 10) is None and packer.close(10)[0].length == 5
    assert packer.close(10) is None and packer.close(20)[0].length == 15
