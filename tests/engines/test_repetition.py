import numpy as np
import pytest

from k15.engines.protocol import Repetition
from k15.engines.repetition import first_repetition, repeats_at_end


def rule(count, shortest=1, longest=4):
    return Repetition(min_pattern=shortest, max_pattern=longest, count=count)


def test_one_token_repeated():
    # the third 7 completes 7 7 7; the end is counted in tokens
    assert first_repetition([1, 7, 7, 7, 7], rule(3)) == 4


def test_pattern_of_two():
    # 5 6 | 5 6 | 5 6 is complete with the seventh token
    assert first_repetition([9, 5, 6, 5, 6, 5, 6, 5], rule(3)) == 7


def test_nothing_repeats():
    assert first_repetition([1, 2, 3, 1, 2, 4, 1, 2], rule(2)) is None
    assert first_repetition([], rule(2)) is None


def test_patterns_outside_the_lengths_do_not_count():
    twos = [5, 6] * 4
    assert first_repetition(twos, rule(2, longest=1)) is None
    # looked at in threes: 5 6 5 | 6 5 6 differ; in fours: 5 6 5 6 | 5 6 5 6 is complete at the end
    assert first_repetition(twos, rule(2, shortest=3)) == 8
    # a run of one token is a repeated pair as well
    assert first_repetition([3, 3, 3, 3], rule(2, shortest=2)) == 4


def test_the_earliest_end_wins_whatever_the_length():
    # 1 2 3 1 2 3 is complete at 6, the run of fours only at 8
    assert first_repetition([1, 2, 3, 1, 2, 3, 4, 4], rule(2)) == 6


def test_an_interrupted_loop_starts_over():
    assert first_repetition([7, 7, 1, 7, 7, 7], rule(3)) == 6


def test_start_skips_ends_but_not_tokens_before_it():
    tokens = [7, 7, 7, 7, 1, 2, 1, 2]
    assert first_repetition(tokens, rule(3), start=0) == 3
    assert first_repetition(tokens, rule(3), start=3) == 4  # its tail 7 7 7 begins before the start
    assert first_repetition(tokens, rule(2), start=4) == 8
    assert first_repetition(tokens, rule(3), start=4) is None


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_the_definition(seed):
    tokens = np.random.default_rng(seed).integers(0, 2, 60).tolist()
    for count in (2, 3, 4):
        limits = rule(count, shortest=1 + seed % 2, longest=3)

        def holds(end, limits=limits):
            return any(
                end >= limits.count * n
                and tokens[end - limits.count * n : end] == tokens[end - n : end] * limits.count
                for n in range(limits.min_pattern, limits.max_pattern + 1)
            )

        for start in (0, 10, 55):
            ends = [end for end in range(start + 1, len(tokens) + 1) if holds(end)]
            assert first_repetition(tokens, limits, start) == (ends[0] if ends else None)


@pytest.mark.parametrize(("count", "shortest", "longest"), [(1, 1, 4), (2, 0, 4), (2, 5, 4)])
def test_impossible_rules_are_refused(count, shortest, longest):
    with pytest.raises(ValueError, match="count >= 2"):
        rule(count, shortest, longest)


def test_repeats_at_end_looks_at_the_end_only():
    tails = np.array([[1, 2, 1, 2], [5, 9, 9, 9], [9, 9, 9, 5], [-4, -3, 8, 8], [-4, -3, -2, 8]])
    limits = rule(2, longest=2)
    assert repeats_at_end(tails, limits).tolist() == [True, True, False, True, False]
