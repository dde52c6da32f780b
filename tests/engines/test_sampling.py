import math

import pytest
import torch

from k15.engines.protocol import Sampling
from k15.engines.sampling import Sampler, hashed_uniform, inverse_cdf, nucleus
from tests.closeness import close

NONE_FORBIDDEN = torch.zeros(4, dtype=torch.bool)
PROBABILITIES = torch.tensor([0.5, 0.3, 0.15, 0.05])


def draws(sampling, number=20_000, forbidden=NONE_FORBIDDEN, logits=None, seed=1):
    """Of one seed, at so many places."""
    logits = PROBABILITIES.log() if logits is None else logits
    step, sampler = torch.arange(number), Sampler(forbidden)
    way = torch.full((number,), sampler.number_of(sampling))
    return sampler(logits.repeat(number, 1), torch.full((number,), seed), step, way)


def test_frequencies_are_the_softmax():
    tokens, logps = draws(Sampling())
    observed = torch.bincount(tokens, minlength=4)
    expected = PROBABILITIES * len(tokens)
    # chi-square with 3 degrees of freedom: 16.3 is exceeded once in a thousand seeds
    assert ((observed - expected) ** 2 / expected).sum() < 16.3
    close(logps, PROBABILITIES[tokens].log())


def test_temperature_divides_the_logits():
    tokens, logps = draws(Sampling(temperature=0.5))
    # p ** 2 / sum: .25 .09 .0225 .0025 over .365
    squared = PROBABILITIES**2 / 0.365
    observed = torch.bincount(tokens, minlength=4)
    expected = squared * len(tokens)
    assert ((observed - expected) ** 2 / expected).sum() < 16.3
    close(logps, squared[tokens].log())


def test_each_row_is_drawn_in_its_own_way():
    """Every row of a mixed call has the token and log-probability that it has on its own."""
    ways = [Sampling(), Sampling(temperature=0), Sampling(temperature=0.5), Sampling(top_p=0.6)]
    ways.append(Sampling(temperature=2.0, top_p=0.9))
    sampler, number = Sampler(NONE_FORBIDDEN), 1000
    way = torch.arange(number) % len(ways)
    assert [sampler.number_of(each) for each in (*ways, ways[2])] == [0, 1, 2, 3, 4, 2]
    logits = PROBABILITIES.log().repeat(number, 1)
    tokens, logps = sampler(logits, torch.full((number,), 1), torch.arange(number), way)
    for place, each in enumerate(ways):
        alone_tokens, alone_logps = draws(each, number)
        assert torch.equal(tokens[way == place], alone_tokens[way == place])
        torch.testing.assert_close(logps[way == place], alone_logps[way == place], atol=0, rtol=0)


def test_greedy_takes_the_largest_at_temperature_one():
    tokens, logps = draws(Sampling(temperature=0), number=3)
    assert tokens.tolist() == [0, 0, 0]
    close(logps, torch.full((3,), math.log(0.5)))


def test_top_p_keeps_the_smallest_set_that_reaches_it():
    # .5 < .6, so .3 is needed as well; .15 and .05 are not
    tokens, logps = draws(Sampling(top_p=0.6))
    assert set(tokens.tolist()) == {0, 1}
    # before top-p: log .5 and log .3, not log .625 and log .375
    close(logps, PROBABILITIES[tokens].log())
    share = (tokens == 0).float().mean().item()
    assert abs(share - 0.625) < 4 * math.sqrt(0.625 * 0.375 / len(tokens))


def test_nucleus_zeroes_the_rest():
    shuffled = PROBABILITIES[[2, 0, 3, 1]][None]
    close(nucleus(shuffled, 0.6), torch.tensor([[0, 0.5, 0, 0.3]]))
    # 0.5 reaches 0.5: no second token; and the most likely one is always kept
    close(nucleus(shuffled, 0.5), torch.tensor([[0, 0.5, 0, 0]]))
    close(nucleus(shuffled, 1e-9), torch.tensor([[0, 0.5, 0, 0]]))


def test_forbidden_tokens_are_never_drawn_and_stay_in_the_log_probabilities():
    forbidden = torch.tensor([False, True, False, False])
    logits = torch.tensor([0.0, 1000.0, 0.0, -1.0])
    for temperature in (0.0, 1.0):
        tokens, logps = draws(
            Sampling(temperature=temperature), 5000, forbidden=forbidden, logits=logits
        )
        assert 1 not in tokens.tolist()
        # the forbidden token takes all of the mass: logits minus 1000
        close(logps, logits[tokens] - 1000)
    assert set(tokens.tolist()) == {0, 2, 3}


def test_inverse_cdf_at_both_ends_of_the_interval():
    weights = torch.tensor([[0.0, 2.0, 0.0, 1.0, 0.0]])
    for uniform, token in ((0.0, 3), (1 - 2**-24, 1), (0.3, 3), (0.35, 1)):
        assert inverse_cdf(weights, torch.tensor([uniform])).item() == token


def test_hashed_uniforms_are_those_of_splitmix64():
    # SplitMix64's published first outputs for seed 0 begin E220A839 7B1DCDAF, 6E789E6A A1B965F4
    drawn = hashed_uniform(torch.tensor([0, 0]), torch.tensor([0, 1]))
    assert drawn.tolist() == [0xE220A8 / 2**24, 0x6E789E / 2**24]


def test_hashed_uniforms_are_uniform_over_seeds_and_over_steps():
    for seeds, steps in ((torch.arange(20_000), 3), (5, torch.arange(20_000))):
        drawn = hashed_uniform(torch.as_tensor(seeds), torch.as_tensor(steps))
        observed = torch.histc(drawn, bins=10, min=0, max=1)
        # chi-square with 9 degrees of freedom: 27.9 is exceeded once in a thousand
        assert ((observed - 2000) ** 2 / 2000).sum() < 27.9


@pytest.mark.parametrize("values", [{"temperature": -1.0}, {"top_p": 0.0}, {"top_p": 1.1}])
def test_impossible_values_are_refused(values):
    with pytest.raises(ValueError, match="take temperature >= 0"):
        Sampling(**values)


def test_the_seed_decides():
    first, again, other = (draws(Sampling(), 100, seed=seed)[0].tolist() for seed in (3, 3, 4))
    assert first == again
    assert first != other
