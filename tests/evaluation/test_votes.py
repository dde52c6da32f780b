"""Equal answers vote together, whatever they look like and in whatever order they come."""

from k15.evaluation.metrics import NO_VOTE
from k15.evaluation.samples import Sample
from k15.evaluation.votes import ballots, clusters
from k15.graders.math.grader import MathGrader


def sample(problem: str, index: int, extracted: str | None) -> Sample:
    return Sample(
        benchmark="b",
        prompting="p",
        id=problem,
        index=index,
        response="",
        tokens=1,
        finish="stop",
        extracted=extracted,
        correct=0.0,
        how="",
    )


def test_clusters_are_numbered_in_alphabetical_order():
    def parity(one, other):
        return (int(one) - int(other)) % 2 == 0

    assert clusters(["4", "1", "3", "2"], parity) == {"1": 0, "3": 0, "2": 1, "4": 1}


def test_spellings_of_one_answer_are_one_vote_and_problems_are_apart():
    answers = ["(1,2)", "5", None, "x=5", "(1, 2)", r"\frac{10}{2}", "(2,1)", "5"]
    samples = [sample("p", i, answer) for i, answer in enumerate(answers)]
    found = ballots([*samples, sample("q", 0, "5")], MathGrader())
    pair, five, none, *rest = found[:8]
    assert none == NO_VOTE
    assert rest[:3] == [five, pair, five] and rest[4] == five
    assert len({pair, five, rest[3], none}) == 4
    assert found[8] == 0  # the first answer of its problem
