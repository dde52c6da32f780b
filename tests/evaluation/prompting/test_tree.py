import pytest

from k15.evaluation.evaluator import Evaluator
from k15.evaluation.prompting.base import Reply
from k15.evaluation.prompting.tree import TreePrompting, best, worth
from tests.evaluation.sums import Characters, Sums, answering


def test_a_valuation_is_worth_its_last_verdict():
    # 20, 1 and 0.001 are the paper's for sure, likely and impossible
    texts = ["sure", "Not sure at first. Impossible", "LIKELY.", "who knows"]
    assert [worth(text) for text in texts] == [20.0, 0.001, 1.0, 0.0]


def test_the_best_states_have_the_largest_sums_of_votes():
    votes = [Reply(text=text) for text in ("likely", "likely", "sure", "none", "likely", "likely")]
    # two votes each: 2, 20, 2; of the equal ones the earlier
    assert best([("a",), ("b",), ("c",)], votes, 2) == [("b",), ("a",)]


def test_the_search_keeps_what_the_model_values_and_counts_all_its_tokens(tmp_path):
    """The model proposes steps x and y in turn; only paths that begin with y are sure."""
    proposed = []

    def answer(prompt, request):
        steps = prompt.partition("Steps so far:\n")[2].partition("\n\n")[0].splitlines()
        if "next step" in prompt:
            proposed.append(steps)
            return "xy"[len(proposed) % 2]
        if "lead to" in prompt:
            return "sure" if steps[0] == "y" else "impossible"
        return "-".join(steps)

    class Path(Sums):
        def grade(self, problem, response):
            assert response.splitlines()[-1] == "y-y"
            return super().grade(problem, "1")

    tree = TreePrompting(depth=2, proposals=2, breadth=1)
    evaluator = Evaluator(
        benchmarks={"sums": Path(size=1)}, promptings={"tree": tree}, run_dir=tmp_path
    )
    evaluator.run(answering(answer), Characters())
    (sample,) = evaluator.samples()
    # depth 1: states y, x (1 + 1 tokens and an end token each: 4), votes "sure" and "impossible"
    # (5 + 11); depth 2 from y alone: 4 again, and "sure" twice; the last response "y-y" and its end
    assert sample.tokens == (4 + 16) + (4 + 10) + 4
    assert sample.correct == 1.0


def test_a_boxed_step_ends_the_search(tmp_path):
    def answer(prompt, request):
        return "sure" if "lead to" in prompt else "\\boxed{1}"

    tree = TreePrompting(depth=5, proposals=2)
    evaluator = Evaluator(
        benchmarks={"sums": Sums(size=1)}, promptings={"tree": tree}, run_dir=tmp_path
    )
    evaluator.run(answering(answer), Characters())
    (sample,) = evaluator.samples()
    assert sample.response == "\\boxed{1}"
    # two proposals of 9 characters and an end; equal, so one state and one vote of 4 and an end
    assert sample.tokens == 2 * 10 + 5


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match=r"prompting.tree.breadth=0"):
        TreePrompting(breadth=0)
