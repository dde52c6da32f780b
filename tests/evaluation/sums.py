"""A benchmark of sums, a codec of characters, and an engine that is told what to answer."""

from collections.abc import Callable, Sequence

from k15.engines.protocol import Request
from k15.engines.scripted import ScriptedEngine
from k15.evaluation.benchmark import Benchmark
from k15.graders.base import Verdict
from k15.types import Problem

END = 0


class Characters:
    """A token is a character; 0 ends a response."""

    context = 1000

    def encode(self, problem: Problem) -> tuple[int, ...]:
        return tuple(map(ord, "".join(str(message["content"]) for message in problem.prompt)))

    def encode_text(self, text: str) -> tuple[int, ...]:
        return tuple(map(ord, text))

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(chr(token) for token in tokens if token != END)

    def length(self, tokens: Sequence[int], images: Sequence[object] = ()) -> int:
        return len(tokens)


class Sums(Benchmark):
    """`size` sums a+1, graded by equality; meta says whether a is even."""

    groups = ("parity",)

    def __init__(self, *, name: str = "sums", size: int = 10, **how: object) -> None:
        self.name, self.size = name, size
        super().__init__(**how)  # type: ignore[arg-type]

    def problems(self) -> list[Problem]:
        return [
            Problem(
                id=str(a),
                prompt=({"role": "user", "content": f"{self.name}: {a}+1?"},),
                answer=str(a + 1),
                meta={"parity": "odd" if a % 2 else "even"},
            )
            for a in range(self.size)
        ]

    def grade(self, problem: Problem, response: str) -> Verdict:
        answer = response.strip()
        return Verdict(correct=float(answer == problem.answer), extracted=answer, how="equal")


def answering(answer: Callable[[str, Request], str]) -> ScriptedEngine:
    """An engine that answers the text of a prompt."""

    def tokens(request: Request, index: int) -> list[int]:
        return [*map(ord, answer(Characters().decode(request.tokens), request)), END]

    return ScriptedEngine(tokens)


def right_sum(prompt: str, request: Request | None = None) -> str:
    """The answer of `name: a+1?...`."""
    return str(int(prompt.partition(": ")[2].partition("+")[0]) + 1)
