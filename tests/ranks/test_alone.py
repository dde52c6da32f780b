"""One process that does several things in turn."""

import weakref

from k15.ranks.together import Alone


class Circle:
    """As a Trainer and its module do, it holds itself."""

    def __init__(self) -> None:
        self.itself = self


def test_the_earlier_ones_are_done_in_order_and_let_go() -> None:
    done, made, alive = list[str](), list[weakref.ref[Circle]](), list[int]()

    def before(stage: str) -> None:
        alive.append(sum(each() is not None for each in made))
        done.append(stage)
        made.append(weakref.ref(Circle()))

    assert Alone().first_decides(lambda: ["pretrain", "sft", "rl"], before) == "rl"
    assert done == ["pretrain", "sft"]
    assert alive == [0, 0] and made[-1]() is None
