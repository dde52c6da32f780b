import itertools
import math
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from k15.evaluation.metrics import (
    NO_VOTE,
    SUBSETS,
    AverageAtN,
    MajorityAtK,
    PassAtK,
    TokenUse,
    majority,
    pass_at_k,
    subsets,
)


def value(metric, *columns):
    metric.update(*(torch.tensor(column) for column in columns))
    return float(metric.compute()["value"])


def test_pass_at_k_equals_a_brute_force_count_over_all_subsets():
    for n in range(1, 8):
        for right in range(n + 1):
            verdicts = [1] * right + [0] * (n - right)
            for k in range(1, n + 1):
                chosen = list(itertools.combinations(verdicts, k))
                passed = sum(map(max, chosen)) / len(chosen)
                assert pass_at_k(n, right, k) == pytest.approx(passed, abs=1e-12)
                assert value(PassAtK(k), [0] * n, verdicts) == pytest.approx(passed, abs=1e-12)


def test_pass_at_k_is_the_mean_over_problems_that_have_k_samples():
    """pass@2: problem 0 with 1 of 3 right 2/3, problem 1 with 0 of 2 right 0; problem 2 has one."""
    assert value(PassAtK(2), [0, 1, 0, 1, 0, 2], [1, 0, 0, 0, 0, 1]) == pytest.approx(1 / 3)


def test_average_at_n_weighs_problems_not_samples():
    """Problem 7 has 1 of 2 right, problem 3 has 1 of 1, problem 5 none of 3: (1/2 + 1 + 0) / 3."""
    metric = AverageAtN()
    metric.update(torch.tensor([7, 3, 5]), torch.tensor([1, 1, 0]))
    metric.update(torch.tensor([5, 7, 5]), torch.tensor([0, 0, 0]))
    found = metric.compute()
    assert float(found["value"]) == pytest.approx(0.5)
    assert float(found["standard_error"]) == pytest.approx(0.5 / math.sqrt(3))


def test_the_most_voted_answer_wins():
    """Answers a, a, b of which a is right: maj@3 1; maj@2 of {aa, ab, ab} (1 + 1/2 + 1/2) / 3."""
    votes, correct = [1, 1, 2], [1.0, 1.0, 0.0]
    assert value(MajorityAtK(3), [0, 0, 0], correct, votes) == 1
    assert value(MajorityAtK(2), [0, 0, 0], correct, votes) == pytest.approx(2 / 3)
    assert value(MajorityAtK(1), [0, 0, 0], correct, votes) == pytest.approx(2 / 3)


def test_samples_without_an_answer_do_not_vote():
    """Three without an answer do not outvote one right answer; nobody voting is wrong."""
    votes = [NO_VOTE, NO_VOTE, NO_VOTE, 1]
    assert value(MajorityAtK(4), [0] * 4, [0.0, 0.0, 0.0, 1.0], votes) == 1
    assert value(MajorityAtK(3), [0] * 3, [0.0, 0.0, 0.0], [NO_VOTE] * 3) == 0


def test_majority_equals_counting_votes_subset_by_subset():
    draw = torch.Generator().manual_seed(0)
    vote = torch.randint(-1, 3, (7,), generator=draw)
    right = 1
    for k in (2, 3, 5):
        shares = []
        for chosen in itertools.combinations(vote.tolist(), k):
            counts = {answer: chosen.count(answer) for answer in chosen if answer != NO_VOTE}
            winners = [a for a, count in counts.items() if count == max(counts.values())]
            shares.append((right in winners) / len(winners) if winners else 0)
        expected = sum(shares) / len(shares)
        found = majority(vote, (vote == right).double(), subsets(7, k, draw))
        assert found == pytest.approx(expected, abs=1e-12)


def test_many_subsets_are_sampled_without_a_sample_twice():
    """C(12, 6) = 924; with 10 of 12 votes for the right answer it has at least 4 of any 6."""
    chosen = subsets(12, 6, torch.Generator().manual_seed(0))
    assert chosen.shape == (SUBSETS, 6)
    assert all(len(set(row)) == 6 for row in chosen.tolist())
    votes = [1] * 10 + [2] * 2
    assert value(MajorityAtK(6), [0] * 12, [1.0] * 10 + [0.0] * 2, votes) == 1


def test_token_use():
    """Tokens 0, 10, ..., 200: mean 100, p95 190; 3 right for 2,100 tokens; 2 of 21 cut."""
    metric = TokenUse()
    tokens = torch.arange(0, 210, 10)
    metric.update(tokens, tokens >= 190, (tokens < 30).float())
    found = {name: float(figure) for name, figure in metric.compute().items()}
    assert found["tokens_mean"] == 100 and found["tokens_p95"] == 190
    assert found["truncated"] == pytest.approx(2 / 21)
    assert found["score_per_1k_tokens"] == pytest.approx(3 / 2.1)


def test_score_per_token_of_no_tokens_is_not_a_number():
    metric = TokenUse()
    metric.update(torch.zeros(2), torch.zeros(2), torch.ones(2))
    assert math.isnan(metric.compute()["score_per_1k_tokens"])


def columns():
    """60 samples: problem, verdict, vote, tokens, whether cut."""
    draw = torch.Generator().manual_seed(0)
    problem = torch.arange(60) % 5
    correct = (torch.rand(60, generator=draw) < 0.2 + 0.1 * problem).double()
    vote = torch.where(correct > 0, 9, torch.randint(-1, 2, (60,), generator=draw))
    tokens = torch.randint(1, 500, (60,), generator=draw)
    return problem, correct, vote, tokens, tokens > 400


def figures(rows):
    """All metrics of some of the samples, reduced over the ranks there are."""
    problem, correct, vote, tokens, cut = (column[rows] for column in columns())
    metrics = {"avg": AverageAtN(), "pass": PassAtK(3), "maj": MajorityAtK(3), "use": TokenUse()}
    metrics["avg"].update(problem, correct)
    metrics["pass"].update(problem, correct)
    metrics["maj"].update(problem, correct, vote)
    metrics["use"].update(tokens, cut, correct)
    return {name: {k: float(v) for k, v in m.compute().items()} for name, m in metrics.items()}


def on_rank(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    torch.save(figures(slice(0, 13) if rank else slice(13, 60)), Path(folder, f"{rank}.pt"))
    dist.destroy_process_group()


def test_two_ranks_say_what_one_says(tmp_path):
    """13 samples on one rank and 47 on the other, the problems split between them."""
    mp.start_processes(on_rank, (str(tmp_path),), nprocs=2, start_method="fork")
    alone = figures(slice(0, 60))
    assert set(alone["avg"]) == {"value", "standard_error", "low", "high"}
    for rank in range(2):
        together = torch.load(tmp_path / f"{rank}.pt")
        for name, found in alone.items():
            assert together[name] == pytest.approx(found, abs=1e-12)
