"""Shares are of tokens, whatever the lengths; the stream goes on where it was left."""

from collections.abc import Iterator
from itertools import islice

import pytest

from k15.config.errors import ConfigError
from k15.datamodules.mixing import Mixture, checked_weights
from k15.problems.documents.source import Item
from k15.types import Document


class Letters:
    """`number` documents of one letter, `length` times."""

    words = ()

    def __init__(self, letter: str, number: int, length: int = 1) -> None:
        self.text, self.number = letter * length, number

    def read(
        self, first: int = 0, split: str = "train", turn: int = 0
    ) -> Iterator[tuple[int, Item]]:
        for index in range(first, self.number):
            yield index, Document(id=f"{turn}-{index}", parts=(self.text,))


def drawn(mixture: Mixture, weights: dict[str, float], number: int) -> list[str]:
    """Texts; a letter is a token."""
    found = []
    while len(found) < number and (one := mixture.draw(weights)) is not None:
        name, _, _, item = one
        mixture.spent(name, len(item.text), weights)
        found.append(item.text)
    return found


def test_shares_are_of_tokens():
    """Half of the tokens each, so five documents of one token for one of five."""
    mixture = Mixture({"a": Letters("a", 999, 1), "b": Letters("b", 999, 5)})
    texts = drawn(mixture, {"a": 0.5, "b": 0.5}, 60)
    assert (texts.count("a"), texts.count("bbbbb")) == (50, 10)


def test_a_change_of_the_weights_counts_from_there_on():
    mixture = Mixture({"a": Letters("a", 999), "b": Letters("b", 999)})
    assert drawn(mixture, {"a": 1.0}, 10).count("a") == 10
    assert drawn(mixture, {"a": 0.7, "b": 0.3}, 100).count("b") == 30


def test_what_has_given_all_leaves_the_rest_to_the_others_and_nothing_comes_twice():
    mixture = Mixture({"a": Letters("a", 3), "b": Letters("b", 5)})
    seen = []
    weights = {"a": 0.5, "b": 0.5}
    while (one := mixture.draw(weights)) is not None:
        seen.append((one[0], one[2]))
        mixture.spent(one[0], 1, weights)
    assert sorted(seen) == [("a", n) for n in range(3)] + [("b", n) for n in range(5)]


def test_turns_say_how_often():
    mixture = Mixture({"a": Letters("a", 3)}, turns=2)
    ids = [one[3].id for one in iter(lambda: mixture.draw({"a": 1.0}), None)]
    assert ids == ["0-0", "0-1", "0-2", "1-0", "1-1", "1-2"]


@pytest.mark.parametrize("after", [0, 1, 7, 20])
def test_it_goes_on_where_it_was_left(after: int):
    sources = {"a": Letters("a", 9, 2), "b": Letters("b", 99, 3)}
    weights = {"a": 0.3, "b": 0.7}
    whole = drawn(Mixture(sources), weights, 40)
    first, second = Mixture(sources), Mixture(sources)
    before = drawn(first, weights, after)
    second.load_state_dict(first.state_dict())
    assert before + drawn(second, weights, 40 - after) == whole


def test_a_document_that_is_gone_is_named():
    mixture = Mixture({"a": Letters("a", 9)})
    found = mixture.again({("a", 0, 8), ("a", 0, 3), ("a", 1, 5)})
    assert {place: item.id for place, item in found.items()} == {
        ("a", 0, 8): "0-8",
        ("a", 0, 3): "0-3",
        ("a", 1, 5): "1-5",
    }
    with pytest.raises(ConfigError, match=r"corpus\.sources\.a: document 9 is not there any more"):
        mixture.again({("a", 0, 3), ("a", 0, 9)})


def test_weights_are_checked():
    sources = {"a": 0, "b": 0}
    assert checked_weights({"a": 3, "b": 1}, sources, "w") == {"a": 0.75, "b": 0.25}
    assert checked_weights({"a": 3, "b": 0}, sources, "w") == {"a": 1.0}
    with pytest.raises(ConfigError, match="w: every weight is 0"):
        checked_weights({"a": 0, "b": 0}, sources, "w")
    with pytest.raises(
        ConfigError, match=r"w\.c=1: corpus\.sources has no such source; it has a, b"
    ):
        checked_weights({"c": 1}, sources, "w")
    with pytest.raises(ConfigError, match=r"w\.a=-1: a weight is a number of at least 0"):
        checked_weights({"a": -1, "b": 2}, sources, "w")


def test_endless_sources_are_read_as_far_as_needed():
    from k15.problems.documents.templated import Facts

    assert len({item.text for _, item in islice(Facts().read(), 50)}) > 40
