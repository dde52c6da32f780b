import numpy as np
import pytest

from k15.engines.protocol import Repetition
from k15.engines.repetition import first_repetition, repeats_at_end
from k15.models.tiny import byte_tokenizer

DEFAULT = Repetition()


def rule(tokens, longest=4):
    return Repetition(tokens=max(tokens, 2 * longest), max_pattern=longest)


def test_one_token_repeated():
    # the third 7 makes three tokens of one pattern; the end is counted in tokens
    assert first_repetition([1, 7, 7, 7, 7], rule(3, longest=1)) == 4


def test_pattern_of_two():
    # 5 6 | 5 6 | 5 6 is complete with the seventh token
    assert first_repetition([9, 5, 6, 5, 6, 5, 6, 5], rule(6, longest=2)) == 7


def test_a_pattern_may_be_cut_at_the_end():
    # 5 6 | 5 6 | 5: five tokens of one pattern
    assert first_repetition([9, 5, 6, 5, 6, 5, 8], rule(5, longest=2)) == 6


def test_nothing_repeats():
    assert first_repetition([1, 2, 3, 1, 2, 4, 1, 2], rule(4, longest=2)) is None
    assert first_repetition([], rule(4)) is None


def test_length_of_the_pattern_is_limited():
    threes = [1, 2, 3] * 4
    assert first_repetition(threes, rule(6, longest=2)) is None
    assert first_repetition(threes, rule(6, longest=3)) == 6


def test_the_earliest_end_wins():
    # 1 2 3 1 2 3 is complete at 6 before 4 4 4 4 4 4 is
    assert first_repetition([1, 2, 3, 1, 2, 3, 4, 4, 4, 4, 4, 4], rule(6, longest=3)) == 6


def test_a_broken_pattern_starts_again():
    assert first_repetition([7, 7, 1, 7, 7, 7], rule(3, longest=1)) == 6


def test_start_skips_what_ended_before_but_not_what_began_before():
    tokens = [7, 7, 7, 7, 8, 9, 9, 9]
    assert first_repetition(tokens, rule(3, longest=1), start=0) == 3
    # its tail 7 7 7 begins before the start
    assert first_repetition(tokens, rule(3, longest=1), start=3) == 4
    assert first_repetition(tokens, rule(2, longest=1), start=4) == 7
    assert first_repetition(tokens, rule(4, longest=1), start=4) is None


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_the_definition(seed):
    tokens = np.random.default_rng(seed).integers(0, 2, 60).tolist()
    for size in (4, 6, 7, 9):
        limits = rule(size, longest=1 + seed % 3)

        def holds(end, limits=limits):
            tail = tokens[end - limits.tokens : end]
            return end >= limits.tokens and any(
                tail == (tail[:n] * len(tail))[: len(tail)]
                for n in range(1, limits.max_pattern + 1)
            )

        for start in (0, 10, 55):
            ends = [end for end in range(start + 1, len(tokens) + 1) if holds(end)]
            assert first_repetition(tokens, limits, start) == (ends[0] if ends else None)


@pytest.mark.parametrize(("tokens", "longest"), [(1, 1), (8, 0), (9, 5)])
def test_impossible_rules_are_refused(tokens, longest):
    with pytest.raises(ValueError, match=f"max_pattern={longest}, tokens={tokens}"):
        Repetition(tokens=tokens, max_pattern=longest)


def test_repeats_at_end_looks_at_the_end_only():
    tails = np.array([[1, 2, 1, 2], [5, 9, 9, 9], [9, 9, 9, 9], [-4, -3, 8, 8], [-4, -3, -2, 8]])
    assert repeats_at_end(tails, rule(4, longest=2)).tolist() == [True, False, True, False, False]


ROW = "0 & 0 & 0 & 0"
NO_LOOPS = {
    "a power of ten": r"\boxed{100000000}",
    "a googol": f"$10^{{100}} = 1{'0' * 100}$",
    "thirds": f"1/3 = 0.{'3' * 40}",
    "sevenths": f"1/7 = 0.{'142857' * 6}...",
    "binary": f"2^{{64}} - 1 = {'1' * 64} in base two",
    "the rule of a table": f"|{'---|' * 20}",
    "a centred one": f"|{' :---: |' * 12}",
    "a line across the page": f"# {'-' * 80}",
    "a heading": f"Result\n{'=' * 72}\n",
    "a matrix of zeros": rf"\begin{{pmatrix}} {ROW} \\ {ROW} \\ {ROW} \\ {ROW} \end{{pmatrix}}",
    "a list": f"[{'0, ' * 30}0]",
    "dots": f"Chapter 1 {'.' * 60} 7",
    "indentation": f"if x:\n{' ' * 40}return 1",
    "a laugh": "ha" * 20,
}
LOOPS = {
    "digits": f"0.{'3' * 400}",
    "zeros": f"1{'0' * 400}",
    "a word": "the " * 60,
    "a doubt": "Wait, no. " * 40,
    "lines": "\n" * 300,
    "a table without end": "| --- " * 80,
}


@pytest.mark.parametrize("text", NO_LOOPS.values(), ids=NO_LOOPS.keys())
def test_short_runs_are_no_loops(text):
    """Read byte by byte, the longest these can be for any tokenizer; around them, other text."""
    tokens = byte_tokenizer().encode(f"So we get {text}, and that is it.")
    assert first_repetition(tokens, DEFAULT) is None


@pytest.mark.parametrize("text", LOOPS.values(), ids=LOOPS.keys())
def test_loops_are_found_soon(text):
    tokens = byte_tokenizer().encode(f"So we get {text}")
    end = first_repetition(tokens, DEFAULT)
    assert end is not None and end <= len("So we get ") + DEFAULT.tokens + 2
    assert repeats_at_end(np.array([tokens[end - DEFAULT.tokens : end]]), DEFAULT).all()
