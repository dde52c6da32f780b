"""Generator programs made by rule from examples of inputs, where no model writes one.

The first runs print the examples themselves, the later ones change them: an argument is taken from
another example, or written anew in the kind, the size and the characters of those that there are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from k15.problems.curation.forms import asked
from k15.problems.test_generation.examples import arguments_in
from k15.problems.test_generation.tasks import Task

CALLS = '''\
import json, random, sys
from cyaron import String, Vector, randint

EXAMPLES = json.loads({examples!r})
NUMBER = int(sys.argv[1])


def flat(values, kind):
    for value in values:
        if isinstance(value, list):
            yield from flat(value, kind)
        elif isinstance(value, dict):
            yield from flat(value.values(), kind)
        elif isinstance(value, kind) and not isinstance(value, bool):
            yield value


def within(numbers):
    low, high = min(numbers), max(numbers)
    return low, high + abs(high) // 2 + 1


def number(pool):
    if any(isinstance(value, float) for value in pool):
        low, high = within(pool)
        return round(random.uniform(low, high), random.choice([0, 1, 2]))
    low, high = within(pool)
    return randint(low, high)


def text(pool):
    written = text_of(pool)
    change = random.choice([str.upper, str.lower, str.swapcase])
    return change(written) if random.random() < 0.2 else written


def text_of(pool):
    words = [word for value in pool for word in value.split()]
    longest = max(len(value) for value in pool)
    shortest = min(len(value) for value in pool)
    if any(" " in value for value in pool) and random.random() < 0.8:
        return " ".join(random.choices(words, k=randint(1, len(random.choice(pool).split()) + 2)))
    letters = "".join(sorted(set("".join(pool)))) or "a"
    return String.random(randint(shortest, max(shortest, longest) + 2), charset=letters)


def items(pool):
    inner = [value for one in pool for value in one]
    if not inner:
        return []
    size = randint(min(map(len, pool)), max(map(len, pool)) + 3)
    if random.random() < 0.5:
        return [random.choice(inner) for _ in range(size)]
    if all(type(value) is int for value in inner):
        return [row[0] for row in Vector.random(size, [within(inner)], 1)] if size else []
    return [changed(inner) for _ in range(size)]


def changed(pool):
    """A value like those in the pool, which are of one kind: the one of a value drawn."""
    like = random.choice(pool)
    pool = [value for value in pool if type(value) is type(like)]
    if isinstance(like, bool) or like is None:
        return like
    if isinstance(like, (int, float)):
        return number(pool)
    if isinstance(like, str):
        return text(pool)
    if isinstance(like, list):
        return items(pool)
    return {{key: changed(list(like.values())) for key in like}}


def case():
    shape = random.choice(EXAMPLES)
    alike = [one for one in EXAMPLES if len(one) == len(shape)]
    for place in range(len(shape)):
        pool = [one[place] for one in alike]
        taken = random.random()
        if taken < {fresh}:
            shape[place] = changed(pool)
        elif taken < 0.9:
            shape[place] = random.choice(pool)
    return shape


print(json.dumps(EXAMPLES[NUMBER] if NUMBER < len(EXAMPLES) else case()))
'''

STDIN = '''\
import json, random, re, sys
from cyaron import String, randint

EXAMPLES = json.loads({examples!r})
NUMBER = int(sys.argv[1])
NUMBERS = [int(word) for text in EXAMPLES for word in re.findall(r"-?\\d+", text) if len(word) < 10]


def word(old):
    if random.random() < 0.5:
        return old
    if re.fullmatch(r"-?\\d{{1,9}}", old):
        near = [n for n in NUMBERS if abs(n) <= 2 * abs(int(old)) + 2] or [int(old)]
        return str(randint(min(near), max(near)))
    return String.random(len(old), charset="".join(sorted(set(old))))


def case():
    """The first line stays: it says how many lines and words follow."""
    first, *rest = random.choice(EXAMPLES).split("\\n")
    return "\\n".join([first, *(" ".join(map(word, line.split(" "))) for line in rest)])


print(EXAMPLES[NUMBER] if NUMBER < len(EXAMPLES) else case(), end="")
'''
MOST = 40  # examples that are taken


class Fixed:
    """Writes the generator of a problem from its examples and the calls in its statement."""

    def __init__(self, *, fresh: float = 0.5) -> None:
        """`fresh` is the share of a function's arguments that are written anew instead of taken
        from an example.
        """
        if not 0 <= fresh <= 1:
            raise ValueError(f"fresh={fresh} must be a share, from 0 to 1")
        self.fresh = fresh

    def __call__(self, task: Task) -> str | None:
        """The program; None where there is no example."""
        examples = list(task.examples)
        if task.interface.function is None:
            return for_stdin(examples) if examples else None
        in_statement = arguments_in(asked(task.problem), task.interface.function)
        examples = [*in_statement, *(one for one in examples if one not in in_statement)]
        return for_calls(examples, fresh=self.fresh) if examples else None


def for_calls(examples: Sequence[Sequence[Any]], *, fresh: float = 0.5) -> str:
    """A generator of arguments like those of the examples, at least one."""
    return CALLS.format(examples=json.dumps(list(examples[:MOST])), fresh=fresh)


def for_stdin(examples: Sequence[str]) -> str:
    """A generator of texts like the examples, at least one, with other numbers and letters."""
    return STDIN.format(examples=json.dumps(list(examples[:MOST])))
