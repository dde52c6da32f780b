"""Iterations on a cluster that is not there, worked out by hand."""

from dataclasses import dataclass

import pytest

from k15.plan.costs import Costs, Work
from k15.plan.iteration import Iteration, trained, training_parts, whole_iteration
from k15.plan.lengths import Group
from k15.plan.simulate import simulate, unit_of
from k15.rollouts.plan import RolloutPlan
from k15.sizes import Sizes

WORK = Work(products=1, trained_share=1.0, query=0)
A_STEP_A_SECOND = Costs(
    decode_step=1.0, decode_row=0.0, decode_position=0.0, prefill_rate=1e99,
    forward_rate=1e99, learn_rate=1e99, optimizer_step=0.0,
)  # fmt: skip


@dataclass(frozen=True)
class Given:
    """Response lengths of groups, over and over; odd groups carry no signal."""

    responses: tuple[tuple[int, ...], ...]
    about: str = "given"

    def group(self, number: int, samples: int) -> Group:
        lengths = self.responses[number % len(self.responses)]
        return Group(prompt=5, responses=lengths[:samples], signal=number % 2 == 0)


def plan(problems: int = 2, samples: int = 2, **settings) -> RolloutPlan:
    sizes = Sizes(
        problems_per_iteration=problems,
        samples_per_problem=samples,
        minibatches_per_iteration=1,
    )
    return RolloutPlan(sizes=sizes, max_response_tokens=100, **settings)


def run(lengths, iterations: int = 1, ranks: int = 1, slots: int = 4, **settings):
    return simulate(
        plan(**settings), Given(lengths), A_STEP_A_SECOND, WORK,
        ranks=ranks, slots=slots, iterations=iterations,
    )  # fmt: skip


def test_an_uncut_iteration_lasts_as_long_as_its_longest_response() -> None:
    (found,) = run(((3, 10), (4, 7)))
    assert (found.seconds, found.tokens, len(found.groups)) == (10, 24, 2)
    assert found.busy == 24 / (10 * 4)


def test_two_slots_take_the_responses_in_turn() -> None:
    """3 and 10; at 3 the 4, at 7 the 7, to 14."""
    (found,) = run(((3, 10), (4, 7)), slots=2)
    assert found.seconds == 14


def test_each_rank_has_its_groups_and_the_slowest_counts() -> None:
    """Group 0 on the first rank, 1 on the second: 10 and 7 steps of two slots each."""
    (found,) = run(((3, 10), (4, 7)), ranks=2, slots=2)
    assert (found.seconds, found.tokens, len(found.groups)) == (10, 24, 2)
    assert found.busy == 24 / (10 * 2 * 2)


def test_what_is_cut_goes_on_in_the_next_iteration() -> None:
    """One group is wanted. Iteration 0: of group 0 the 2 ends, and a group of 1 and 3 starts in
    the free slot, its 1 done at step 3, its 3 at 6: complete, with the 9 cut at 6. Iteration 1 has
    3 tokens of it left.
    """
    settings = {"problems": 1, "cut_unfinished": True, "oversampling": 2.0}
    first, second = run(((2, 9), (1, 3)), iterations=2, slots=2, **settings)
    assert (first.seconds, [g.number for g in first.groups]) == (6, [1])
    assert [group.number for group in second.groups] == [0]
    assert second.seconds == 3


def test_segments_bound_an_iteration() -> None:
    found = run(((3, 10), (4, 7)), iterations=3, segment_tokens=4, oversampling=1.0)
    assert [each.seconds for each in found] == [4, 4, 4]
    assert found[0].tokens == 3 + 4 + 4 + 4


def test_long_responses_are_counted_in_units() -> None:
    """2 x 2 responses of a million tokens: four at once, and the time of all their steps."""
    lengths = ((1_000_000,) * 2,)
    long = RolloutPlan(sizes=plan().sizes, max_response_tokens=1_000_000)
    assert unit_of(long, Given(lengths)) == 4
    (found,) = simulate(
        long, Given(lengths), A_STEP_A_SECOND, WORK, ranks=1, slots=4, iterations=1
    )  # fmt: skip
    assert found.seconds == found.tokens / 4 == 1_000_000


def test_a_rank_that_fails_ends_all() -> None:
    class Broken(Given):
        def group(self, number: int, samples: int) -> Group:
            if number == 1:
                raise RuntimeError("no such group")
            return super().group(number, samples)

    with pytest.raises(RuntimeError, match=r"no such group|broken"):
        simulate(
            plan(problems=200), Broken(((3, 10), (4, 7))), A_STEP_A_SECOND, WORK,
            ranks=2, slots=2, iterations=1,
        )  # fmt: skip


def test_tokens_that_are_trained_on() -> None:
    """Group 1 has no signal. Group 0: a prompt of 5, once or twice, and 3 + 10 tokens; pairs of
    sequences of 8 and 15.
    """
    (found,) = run(((3, 10), (4, 7)))
    assert trained(found.groups, shared=True, drop=True, unit=1) == (5 + 13, 36 + 120)
    assert trained(found.groups, shared=False, drop=True, unit=1)[0] == 2 * 5 + 13
    assert trained(found.groups, shared=True, drop=False, unit=1)[0] == 2 * 5 + 13 + 11


def test_the_reference_leaves_out_the_first_minibatch() -> None:
    """100 tokens, 4 minibatches: forward 2 operations a token, 3/4 of them before the first step,
    and 1/4 for the distance to the start; learning 6. Two micro-batches in each minibatch.
    """
    costs = Costs(
        decode_step=0.0, decode_row=0.0, decode_position=0.0, prefill_rate=1.0, forward_rate=2.0,
        learn_rate=3.0, optimizer_step=0.5, exchange_step=1.0, exchange_micro_batch=0.25,
    )  # fmt: skip
    found = training_parts(100, 0, 4, costs, WORK, 1, 13, start_copy=False)
    assert found == {
        "reference": 100 * 0.75,
        "learning": 200,
        "optimizer": 2,
        "between devices": 4 * (1 + 2 * 0.25),
    }
    assert training_parts(100, 0, 4, costs, WORK, 1, 13, True)["reference"] == 100
    assert training_parts(100, 0, 4, costs, WORK, 2, 13, False)["learning"] == 100
    twice = training_parts(100, 0, 4, costs, WORK, 1, 13, False, passes=2)
    assert (twice["reference"], twice["learning"]) == (100 * 7 / 4, 400)


def test_overlap_takes_the_longer_one() -> None:
    parts = {"rollout": 5.0, "reward": 1.0, "learning": 4.0, "sync": 1.0}
    assert Iteration(parts=parts).seconds == 11
    assert Iteration(parts=parts, overlap=True).seconds == 6
    assert Iteration(parts=parts).longest == "rollout"


def test_scoring_is_hidden_behind_rollouts_but_for_the_last_group() -> None:
    settings = {
        "ranks": 1, "engines": 1, "slots": 4, "budget": 100, "shared": True, "start_copy": False,
        "drop": True, "passes": 1, "iterations": 1, "first": 0,
    }  # fmt: skip
    lengths = Given(((3, 10), (4, 7)))
    for seconds, expected in ((0.0, 0.0), (2.0, 2.0), (30.0, 2 * 30.0 - 10)):
        found = whole_iteration(
            plan(), lengths, A_STEP_A_SECOND, WORK, reward_seconds=seconds, **settings
        )
        assert found.parts["reward"] == expected
