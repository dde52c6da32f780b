"""Partial rollouts: responses grow by segments, wait in the buffer, and end for the right
reason.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle

import pytest
import torch

from k15.engines.protocol import Completion, Repetition, RolloutEngine
from k15.engines.scripted import ScriptedEngine
from k15.engines.transformers import TransformersEngine
from k15.models.tiny import tiny_policy
from k15.rollouts.collector import Collector
from k15.rollouts.flight import segments_of
from k15.rollouts.plan import RolloutPlan
from k15.sizes import Sizes
from k15.tasks.make24 import Make24
from k15.types import Problem, RolloutGroup, Segment

STOP = 0


class Letters:
    """A codec in which problem "n" has the prompt (1000 + n,)."""

    def encode(self, problem: Problem) -> tuple[int, ...]:
        return (1000 + int(problem.id),)

    def decode(self, tokens: Sequence[int]) -> str:
        return " ".join(map(str, tokens))


def by_length(group: RolloutGroup) -> RolloutGroup:
    """One point for responses of an even length."""
    reward = tuple(float(rollout.length % 2 == 0) for rollout in group.rollouts)
    return replace(group, reward=reward, outcome=reward, parts={"even": reward})


def problems(*numbers: int) -> Iterator[Problem]:
    return cycle([Problem(id=str(n), prompt=(), answer="") for n in numbers])


def collector(
    responses: dict[int, list[tuple[int, ...]]], score=by_length, slots: int = 1, **plan
) -> Collector:
    script = {(1000 + n,): answers for n, answers in responses.items()}
    sizes = {
        name: plan.pop(name, default)
        for name, default in {"problems_per_iteration": 1, "samples_per_problem": 2}.items()
    }
    plan = {"max_response_tokens": 8} | plan
    sized = RolloutPlan(sizes=Sizes(**sizes, minibatches_per_iteration=1), **plan)
    return Collector(ScriptedEngine(script, slots=slots), Letters(), score, sized)


def test_a_group_is_handed_out_when_its_last_response_has_ended() -> None:
    """Segments of 3: the first response (2 tokens) ends at once, the second (7) in iteration 2."""
    c = collector({1: [(5, STOP), (5, 6, 7, 8, 9, 4, STOP)]}, segment_tokens=3)
    lengths = []
    for iteration in range(2):
        c.engine.load_weights((), iteration)
        experience = c.collect(problems(1), iteration)
        assert experience.groups == ()
        lengths.append([r.length for r in c.buffer._groups[0].rollouts])
    assert lengths == [[2, 3], [2, 6]]
    c.engine.load_weights((), 2)
    (group,) = c.collect(problems(1), 2).groups
    assert [r.finish for r in group.rollouts] == ["stop", "stop"]
    assert group.rollouts[1].tokens == (5, 6, 7, 8, 9, 4, STOP)
    assert [s.version for s in group.rollouts[1].segments] == [0, 1, 2]
    assert group.rollouts[1].text == "5 6 7 8 9 4 0"
    assert len(c.buffer) == 0


def test_an_ended_response_is_not_sent_again() -> None:
    c = collector({1: [(5, STOP), (5, 6, 7, 8, STOP)]}, segment_tokens=4)
    c.collect(problems(1), 0)
    sent = []
    c.engine.responses = lambda request, index: sent.append(request) or (STOP,)
    c.collect(problems(1), 1)
    assert [(request.tokens, request.max_new_tokens) for request in sent] == [
        ((1001, 5, 6, 7, 8), 4)
    ]


def test_a_response_is_cut_at_the_maximum_over_all_segments() -> None:
    """Ten tokens, segments of 3, at most 8: 3 + 3 + 2."""
    c = collector({1: [tuple(range(10, 20))]}, segment_tokens=3, samples_per_problem=1)
    groups = [group for i in range(3) for group in c.collect(problems(1), i).groups]
    (rollout,) = groups[0].rollouts
    assert [len(segment.tokens) for segment in rollout.segments] == [3, 3, 2]
    assert rollout.finish == "length"


def test_a_loop_across_a_segment_border_ends_the_response() -> None:
    """1 2 | 1 2 1 2 ...: three copies of (1, 2) are complete at token 6, in the second segment of
    4.
    """
    rule = Repetition(max_pattern=2, tokens=6)
    c = collector(
        {1: [(1, 2) * 6]},
        segment_tokens=4,
        samples_per_problem=1,
        max_response_tokens=12,
        repetition=rule,
    )
    assert c.collect(problems(1), 0).groups == ()
    ((rollout,),) = [group.rollouts for group in c.collect(problems(1), 1).groups]
    assert rollout.finish == "repetition"
    assert rollout.tokens == (1, 2, 1, 2, 1, 2)
    assert [len(segment.tokens) for segment in rollout.segments] == [4, 2]


def test_old_groups_take_the_place_of_new_ones() -> None:
    """Three groups in flight; two are unfinished, so one new problem is drawn."""
    long = [tuple(range(10, 18))]
    c = collector(
        {1: long, 2: long, 3: [(STOP,)], 4: [(STOP,)]},
        problems_per_iteration=3,
        samples_per_problem=1,
        segment_tokens=4,
    )
    draw = problems(1, 2, 3, 4)
    first, second = c.collect(draw, 0), c.collect(draw, 1)
    assert [group.problem.id for group in first.groups] == ["3"]
    assert [group.problem.id for group in second.groups] == ["1", "2", "4"]


def test_no_problem_is_worked_on_twice_at_a_time() -> None:
    """Drawn 1, 1, 2, then 1, 1, 2 again, while the first one is not yet finished."""
    c = collector(
        {1: [tuple(range(10, 18))], 2: [(STOP,)]},
        problems_per_iteration=2,
        samples_per_problem=1,
        segment_tokens=4,
    )
    draw = problems(1, 1, 2)
    handed_out = [[group.problem.id for group in c.collect(draw, i).groups] for i in range(2)]
    assert handed_out == [["2"], ["1", "2"]]
    ended = collector({1: [(STOP,)], 2: [(STOP,)]}, problems_per_iteration=2, samples_per_problem=1)
    assert [group.problem.id for group in ended.collect(problems(1, 1, 2), 0).groups] == ["1", "2"]


def test_oversampling_puts_more_groups_in_flight() -> None:
    c = collector({1: [(STOP,)]}, problems_per_iteration=4, oversampling=1.5, samples_per_problem=1)
    assert len(c.collect(problems(1), 0).groups) == 6


def of_length(*lengths: int) -> list[tuple[int, ...]]:
    return [(*range(10, 9 + length), STOP) for length in lengths]


def iterations(c: Collector, draw: Iterator[Problem], number: int) -> list[list[RolloutGroup]]:
    groups = []
    for iteration in range(number):
        c.engine.load_weights((), iteration)
        groups.append(list(c.collect(draw, iteration).groups))
    return groups


def one_long_of_nine() -> Collector:
    """Two slots, and problem 2 of 20 tokens among those of 3; a batch is two of them."""
    return collector(
        {n: of_length(20 if n == 2 else 3) for n in range(1, 10)},
        slots=2,
        problems_per_iteration=2,
        samples_per_problem=1,
        cut_unfinished=True,
        max_response_tokens=30,
    )


def test_an_iteration_ends_with_its_groups_and_what_is_unfinished_goes_on() -> None:
    """Two slots, one response per problem, of 3, 20, 3, 3, 3, 3 tokens. Problems 1 and 3 make the
    first batch, at step 6; the long one is cut there, and again at step 12, when 4 and 5 are
    complete, and ends in the third.
    """
    c = one_long_of_nine()
    draw = problems(*range(1, 10))
    first, second = iterations(c, draw, 2)
    assert [[g.problem.id for g in groups] for groups in (first, second)] == [
        ["1", "3"],
        ["4", "5"],
    ]
    assert c.engine.steps == 12
    # nothing was started that had no slot: the sixth problem has not been drawn
    assert [(g.problem.id, g.rollouts[0].length) for g in c.buffer._groups] == [("2", 12)]
    third, fourth = (c.collect(draw, iteration).groups for iteration in (2, 3))
    assert [g.problem.id for g in third] == ["6", "7"]
    assert [g.problem.id for g in fourth] == ["2", "8"]  # in the order in which they were started
    (rollout,) = fourth[0].rollouts
    assert rollout.tokens == of_length(20)[0] and rollout.finish == "stop"


def test_slots_are_filled_by_responses_not_by_groups() -> None:
    """One long response keeps a group of two open; the other slot goes on with new problems."""
    lengths = {1: of_length(40, 2), **{n: of_length(2, 2) for n in range(2, 30)}}
    c = collector(
        lengths,
        slots=2,
        problems_per_iteration=4,
        cut_unfinished=True,
        max_response_tokens=50,
    )
    (first,) = iterations(c, problems(*range(1, 30)), 1)
    assert [g.problem.id for g in first] == ["2", "3", "4", "5"]
    assert c.engine.steps == 2 + 4 * 4  # one after the other through the second slot


def test_groups_that_end_in_the_same_step_are_kept_for_the_next_iteration() -> None:
    """Three at once where two are wanted: the third is handed out next, scored once."""
    asked: list[str] = []

    def score(group: RolloutGroup) -> RolloutGroup:
        asked.append(group.problem.id)
        return by_length(group)

    c = collector(
        {n: of_length(3) for n in range(1, 9)},
        score=score,
        slots=3,
        problems_per_iteration=2,
        samples_per_problem=1,
        oversampling=2.0,
        cut_unfinished=True,
    )
    draw = problems(*range(1, 9))
    ids = [[g.problem.id for g in groups] for groups in iterations(c, draw, 3)]
    assert ids == [["1", "2"], ["3", "4"], ["5", "6"]]
    assert asked == ["1", "2", "3", "4", "5", "6"]


def test_what_is_too_old_is_finished_first() -> None:
    """A response of 40 tokens beside short ones; after 2 iterations it is waited for."""
    lengths = {1: of_length(40), **{n: of_length(4) for n in range(2, 60)}}
    settings = {
        "slots": 2,
        "problems_per_iteration": 2,
        "samples_per_problem": 1,
        "cut_unfinished": True,
        "max_response_tokens": 50,
    }
    never = collector(lengths, **settings, max_staleness=None)
    ids = [[g.problem.id for g in gs] for gs in iterations(never, problems(*range(1, 60)), 5)]
    assert ids == [["2", "3"], ["4", "5"], ["6", "7"], ["8", "9"], ["1", "10"]]
    bounded = collector(lengths, **settings, max_staleness=2)
    draw = problems(*range(1, 60))
    groups = iterations(bounded, draw, 3)
    assert [g.problem.id for g in groups[2]] == ["1", "6", "7"]
    assert groups[2][0].rollouts[0].versions == (0,) * 8 + (1,) * 8 + (2,) * 24
    # while it was waited for, nothing was started: two were enough
    assert len(bounded.buffer) == 0


def test_segments_end_for_what_is_too_old() -> None:
    c = collector(
        {1: of_length(40)},
        samples_per_problem=1,
        segment_tokens=5,
        max_staleness=2,
        max_response_tokens=50,
    )
    (rollout,) = iterations(c, problems(1), 3)[2][0].rollouts
    assert [len(segment.tokens) for segment in rollout.segments] == [5, 5, 30]


def test_an_iteration_in_which_every_segment_is_used_up_ends_with_what_is_complete() -> None:
    """Both forms at once: four responses in flight, one of them shorter than a segment."""
    c = collector(
        {1: of_length(3), **{n: of_length(20) for n in range(2, 9)}},
        slots=4,
        problems_per_iteration=4,
        samples_per_problem=1,
        segment_tokens=5,
        cut_unfinished=True,
        max_response_tokens=30,
    )
    first, second = iterations(c, problems(*range(1, 9)), 2)
    assert [g.problem.id for g in first] == ["1"] and second == []
    assert [g.rollouts[0].length for g in c.buffer._groups] == [10, 10, 10, 10]


def test_an_engine_that_cannot_stop_finishes_what_it_has_begun() -> None:
    """The long response is not cut, but nothing is started behind the second group."""
    c = one_long_of_nine()
    c.engine.stop = lambda: None
    first, second = iterations(c, problems(*range(1, 10)), 2)
    assert [g.problem.id for g in first] == ["1", "3"]
    assert (second[0].problem.id, second[0].rollouts[0].versions) == ("2", (0,) * 20)


def test_slow_grading_hides_behind_generation_and_changes_nothing() -> None:
    """The engine gives its last response when the first group has been graded."""
    graded = threading.Event()

    def score(group: RolloutGroup) -> RolloutGroup:
        time.sleep(0.02)
        graded.set()
        return by_length(group)

    answers = {n: of_length(2) for n in range(1, 4)}
    c = collector(answers, score=score, problems_per_iteration=3, samples_per_problem=1)
    script = c.engine.responses
    c.engine.responses = lambda request, index: (
        script[request.tokens][0] if index < 2 or graded.wait(10) else ()
    )
    experience = c.collect(problems(1, 2, 3), 0)
    assert [g.problem.id for g in experience.groups] == ["1", "2", "3"]
    assert experience.metrics["time/reward_hidden_seconds"] >= 0.02


def test_a_reward_that_raises_ends_the_iteration() -> None:
    def score(group: RolloutGroup) -> RolloutGroup:
        raise KeyError("unknown")

    c = collector({1: of_length(2)}, score=score)
    with pytest.raises(KeyError, match="unknown"):
        c.collect(problems(1), 0)


def test_dropped_groups_are_counted_not_scored_zero() -> None:
    def half(group: RolloutGroup) -> RolloutGroup | None:
        return None if group.problem.id == "1" else by_length(group)

    c = collector({1: [(STOP,)], 2: [(5, STOP)]}, score=half, problems_per_iteration=4)
    experience = c.collect(problems(1, 2), 0)
    assert [group.problem.id for group in experience.groups] == ["2", "2"]
    assert experience.metrics["reward/groups_dropped"] == 2
    assert experience.metrics["accuracy"] == 1.0


def test_figures_of_an_iteration() -> None:
    """Lengths 2, 4, 8 (cut) and 5 tokens, of which even ones are right: 3 of 4."""
    answers = [(5, STOP), (5, 6, 7, STOP), tuple(range(10, 22)), (5, 6, 7, 8, STOP)]
    metrics = collector({1: answers}, samples_per_problem=4).collect(problems(1), 0).metrics
    assert metrics["accuracy"] == metrics["reward/even"] == 0.75
    assert metrics["response/tokens_mean"] == (2 + 4 + 8 + 5) / 4
    assert metrics["rollout/tokens"] == 19
    assert metrics["response/stop"] == 0.75 and metrics["response/length"] == 0.25


def test_evaluation_leaves_the_buffer_alone() -> None:
    c = collector(
        {1: [tuple(range(10, 18))], 2: [(5, STOP)]}, segment_tokens=4, samples_per_problem=1
    )
    c.collect(problems(1), 0)
    held_out = [next(problems(2))] * 3
    experience = c.evaluate(held_out, iteration=1)
    assert len(experience.groups) == 3 and experience.metrics["accuracy"] == 1.0
    assert len(c.buffer) == 1


@pytest.mark.parametrize("segment_tokens", [1, 5, 16])
def test_greedy_segments_equal_an_uncut_response_token_by_token(segment_tokens: int) -> None:
    """The real engine on the real tiny model."""
    torch.manual_seed(0)
    task = Make24()
    policy = tiny_policy(words=task.words)

    def responses(segment: int | None) -> list[tuple[int, ...]]:
        engine: RolloutEngine = TransformersEngine(policy, slots=4)
        plan = RolloutPlan(
            sizes=Sizes(
                problems_per_iteration=6, samples_per_problem=1, minibatches_per_iteration=1
            ),
            max_response_tokens=24,
            segment_tokens=segment,
            top_p=1e-6,  # the likeliest token
        )
        c = Collector(engine, policy, by_length, plan)
        pool = iter([task.problem(index) for index in range(6)])
        done = {}
        for iteration in range(25):
            for group in c.collect(pool, iteration).groups:
                done[group.problem.id] = group.rollouts[0].tokens
        return [done[task.problem(index).id] for index in range(6)]

    assert responses(segment_tokens) == responses(None)


def test_tokens_of_several_weights_are_several_segments() -> None:
    """Weights that come while a response is generated; a loop ends it in the second segment."""
    completion = Completion(
        index=0,
        tokens=(5, 6, 7, 8, 9),
        logps=(-1.0, -2.0, -3.0, -4.0, -5.0),
        finish="length",
        version=4,
        versions=(3, 3, 4, 4, 4),
    )
    assert [*segments_of(completion, completion.tokens[:4])] == [
        Segment(tokens=(5, 6), logps=(-1.0, -2.0), version=3),
        Segment(tokens=(7, 8), logps=(-3.0, -4.0), version=4),
    ]
    one = replace(completion, versions=())
    assert [segment.version for segment in segments_of(one, one.tokens)] == [4]
