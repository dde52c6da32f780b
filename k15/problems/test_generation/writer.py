"""A model writes generator programs: from the statement, and from notes on how CYaRon is used."""

from __future__ import annotations

from k15.config.errors import ConfigError
from k15.engines.protocol import RolloutEngine
from k15.graders.code.trial import compiles
from k15.markdown import code_block
from k15.models.codec import BeginningCodec
from k15.problems.curation.asking import Asking, responses, written
from k15.problems.curation.forms import asked
from k15.problems.test_generation.tasks import Task
from k15.tasks.thoughts import conclusion
from k15.types import Problem

CYARON = """\
CYaRon (from cyaron import *) makes random test data:
- randint(low, high), uniform(low, high), choice(items): as in the module random.
- String.random(length, charset="abc"): a string; charset may be a list of words with sep=" ".
- String.random_sentence(words), String.random_paragraph(sentences).
- Vector.random(count, [(low, high)], mode): vectors; mode 0 unique, 1 with repetitions.
- Sequence(lambda i, f: 2 * i + 1).get(first, last): values by a formula, or by recursion with f.
- Graph.tree(n), Graph.chain(n), Graph.flower(n), Graph.binary_tree(n): trees of n nodes.
- Graph.graph(n, m, directed=False, weight_limit=(low, high)), Graph.DAG(n, m), Graph.UDAG(n, m):
  graphs; str(graph) has one edge "u v weight" a line.
- Polygon.convex_hull(n), Polygon.simple_polygon(n): polygons with points.
- ati([1, 1E3]): whole numbers of a list of floats."""

GREEDY = Asking(samples=1, temperature=0.0, max_tokens=4096)

STDIN = "exactly one input, as a correct program would read it from stdin"
CALL = "one line, the JSON list of the arguments that the function {function} is called with"

TEMPLATE = """\
Here is a programming problem.

{statement}

Write a Python program that generates test inputs for it with the library CYaRon.

{notes}

Your program is run {cases} times. The number of the run, from 0, is in sys.argv[1]; random is \
seeded by it. Each run prints {what}, and nothing else; it reads and writes no files. Follow all \
constraints of the statement. Let the first runs be special cases: the smallest input, extreme \
values, equal values; then random inputs that grow with the number of the run, and some that a \
wrong program is likely to fail.

Put the program into a block between ```python and ```."""


class ModelWriter:
    """Asks a model for the generator of a problem, again where its response holds no program.

    `engine` is any, and so is the policy that knows its tokens; the weights are the engine's.
    """

    def __init__(
        self,
        engine: RolloutEngine,
        policy: BeginningCodec,
        *,
        cases: int = 50,
        asking: Asking = GREEDY,
        seed: int = 0,
    ) -> None:
        """`cases` are the runs that the program is told of; of several samples the first program
        counts.
        """
        self.engine, self.policy, self.asking, self.seed = engine, policy, asking, seed
        self.cases = cases

    def __call__(self, task: Task) -> str | None:
        """The program; None if there is none, or the prompt does not fit into the context."""
        prompt = self.prompt(task)
        try:
            request = written(self.policy, prompt, self.asking)
        except ConfigError:
            return None
        [group] = responses(self.engine, self.policy, [request], self.asking, self.seed)
        found = (program(rollout.text) for rollout in group.rollouts)
        return next((one for one in found if one is not None), None)

    def prompt(self, task: Task) -> Problem:
        """What the model is asked."""
        problem, function = task.problem, task.interface.function
        what = STDIN if function is None else CALL.format(function=function)
        text = TEMPLATE.format(statement=asked(problem), notes=CYARON, cases=self.cases, what=what)
        return Problem(id=problem.id, prompt=({"role": "user", "content": text},), answer=None)


def program(response: str) -> str | None:
    """The program that a response concludes with, if it is Python."""
    found = code_block(conclusion(response))
    try:
        compiles("generator", found or "(")
    except ValueError:
        return None
    return found
