from typing import ClassVar

from k15.evaluation.prompting.base import Once, Reply
from k15.questions import instructed
from k15.types import Problem
from tests.evaluation.sums import Sums

QUESTION = {"role": "user", "content": "1+1?"}


def test_an_instruction_goes_behind_the_last_message():
    system = {"role": "system", "content": "Be brief."}
    problem = Problem(id="1", prompt=(system, QUESTION), answer="2")
    asked = instructed(problem, "Think.")
    assert asked.prompt == (system, {"role": "user", "content": "1+1?\nThink."})
    assert instructed(problem, "") is problem


def test_an_instruction_goes_behind_a_picture():
    content = [{"type": "image"}, {"type": "text", "text": "How many?"}]
    problem = Problem(id="1", prompt=({"role": "user", "content": content},), answer="2")
    (message,) = instructed(problem, "Think.").prompt
    assert message["content"] == [*content, {"type": "text", "text": "\nThink."}]


def test_once_asks_once_and_takes_the_benchmarks_own_instruction():
    class Own(Sums):
        instructions: ClassVar = {"direct": "Number only."}

    problem = Problem(id="1", prompt=(QUESTION,), answer="2")
    for mode, instruction in (("direct", "Number only."), ("cot", "Think.")):
        solving = Once(name=mode, instruction="Think.").solve(problem, Own())
        (ask,) = solving.send(None)
        assert ask.problem.prompt[0]["content"] == f"1+1?\n{instruction}"
        try:
            solving.send([Reply(text="2", tokens=3)])
        except StopIteration as end:
            assert end.value == Reply(text="2", tokens=3)
