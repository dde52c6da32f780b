"""Who writes the traces of a long-CoT warm-up set (k1.5 §2.2): prompted models, or demonstrators.

    problem ─► forms: one per template ─► answers of each ─► graded, and chosen from, elsewhere

The set is to show planning, evaluation, reflection and exploration. A model shows them when it is
asked to; what it wrote is then learned as the answer to the bare question.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import cached_property
from itertools import islice
from typing import Any

from k15.config.errors import ConfigError
from k15.engines.protocol import RolloutEngine
from k15.engines.sync import sync
from k15.engines.transformers import TransformersEngine
from k15.models.loading import load_policy
from k15.models.policy import Policy
from k15.models.vocabulary import lacks_words
from k15.problems.sources import DemonstratedSource, NoDemonstration, ProblemSource, Response
from k15.questions import Split
from k15.rollouts.drawing import Drawing, drawn, why_not_asked
from k15.rollouts.templates import PLAIN, check_templates, filled
from k15.types import Problem, Rollout, RolloutGroup, Segment
from k15.weights.digest import weights_digest


class Traces(ABC):
    """Answers to problems, asked in one form or in several; not graded."""

    policy: Policy
    """Whose tokens a question is asked in."""

    @abstractmethod
    def problems(self, split: Split, number: int | None) -> list[Problem]:
        """The first `number` problems of a side, as a student is asked them; None: all."""

    def forms(self, problem: Problem) -> dict[str, Problem]:
        """A problem as the writer is asked, by the form's name."""
        return {"plain": problem}

    def encode(self, asked: Problem) -> tuple[int, ...]:
        """What the writer reads."""
        return self.policy.encode(asked)

    @abstractmethod
    def made_by(self) -> dict[str, Any]:
        """What tells these answers from others, as plain values."""

    def why_not_asked(self, problem: Problem) -> str | None:
        """Why a problem in one of its forms cannot be answered; None if it can."""
        return None

    @abstractmethod
    def answers(self, asked: Sequence[Problem], device: Any) -> Iterator[RolloutGroup]:
        """All answers to each problem that is asked, as soon as they are there; a model that
        writes them does so on `device`, None: where it is.
        """


class Prompted(Traces):
    """The model that is trained writes them, with each of the templates around the question.

    Raises ConfigError for templates that cannot be filled.
    """

    def __init__(
        self,
        policy: Policy,
        engine: RolloutEngine,
        source: ProblemSource,
        *,
        drawing: Drawing,
        templates: Mapping[str, str] = PLAIN,
    ) -> None:
        """`drawing` says how often each form is answered, and how."""
        check_templates(templates, "traces.templates")
        self.policy, self.engine, self.source = policy, engine, source
        self.drawing, self.templates = drawing, dict(templates)

    def problems(self, split: Split, number: int | None) -> list[Problem]:
        """Those of the source's pool."""
        return list(islice(self.source.train if split == "train" else self.source.held_out, number))

    def forms(self, problem: Problem) -> dict[str, Problem]:
        """One per template."""
        return {name: filled(problem, name, text) for name, text in self.templates.items()}

    def made_by(self) -> dict[str, Any]:
        """The weights, and how was drawn; the question with its template is known of each row."""
        return {"weights": weights_digest(self.policy.model), "drawing": asdict(self.drawing)}

    def why_not_asked(self, problem: Problem) -> str | None:
        """It does not fit into the context, or its words are not the model's."""
        setting = "data.max_response_tokens"
        if reason := why_not_asked(self.policy, problem, self.drawing, setting):
            return reason
        if lacks_words(self.policy.tokenizer, self.policy.encode(problem)):
            return (
                "the model has no tokens for words of traces.templates; take those away: "
                'traces.templates={plain: "{question}"}'
            )
        return None

    def answers(self, asked: Sequence[Problem], device: Any) -> Iterator[RolloutGroup]:
        """Sampled from the weights as they are, before any training."""
        if device is not None:
            self.policy.model.to(device)
        sync(self.engine, self.policy.model, 0)
        yield from drawn(self.engine, self.policy, asked, self.drawing)
        self.engine.sleep()


class Teacher(Prompted):
    """Another model writes them: distillation. It is loaded when it is asked, and then forgotten.

    Raises ConfigError if no path is given.
    """

    def __init__(
        self,
        source: ProblemSource,
        *,
        path: str | None,
        drawing: Drawing,
        templates: Mapping[str, str] = PLAIN,
        dtype: str = "float32",
        trust_remote_code: bool = False,
        make_engine: Callable[..., RolloutEngine] = TransformersEngine,
    ) -> None:
        """Load nothing yet.

        Args:
            source: of the problems.
            path: the teacher's Hugging Face folder or name.
            drawing: as in `Prompted`.
            templates: likewise; the teacher's own chat template is written around them.
            dtype: of its weights.
            trust_remote_code: runs the code that comes with them.
            make_engine: makes the engine that it writes through, from `policy`.
        """
        if path is None:
            raise ConfigError("traces.path=null: give the teacher's Hugging Face folder or name")
        check_templates(templates, "traces.templates")
        self.path, self.dtype, self.trust_remote_code = path, dtype, trust_remote_code
        self.make_engine = make_engine
        self.source, self.drawing, self.templates = source, drawing, dict(templates)

    @cached_property
    def policy(self) -> Policy:  # type: ignore[override]
        """The teacher."""
        return load_policy(self.path, self.dtype, trust_remote_code=self.trust_remote_code)

    @cached_property
    def engine(self) -> RolloutEngine:  # type: ignore[override]
        """Its own."""
        return self.make_engine(policy=self.policy)

    def answers(self, asked: Sequence[Problem], device: Any) -> Iterator[RolloutGroup]:
        """By the teacher, whose memory is then free again."""
        with closing(self.engine):
            yield from super().answers(asked, device)
        del self.engine, self.policy


class Demonstrated(Traces):
    """The source's own demonstrations: the traces of a file (`data=traces`), written solutions, or
    a task's patient search.
    """

    def __init__(self, policy: Policy, source: DemonstratedSource) -> None:
        self.policy, self.source = policy, source
        self.responses: dict[str, Response] = {}

    def problems(self, split: Split, number: int | None) -> list[Problem]:
        """Those that the source demonstrates; one without a demonstration is left out.

        Raises ConfigError for demonstrations of several turns, which no verifier reads.
        """
        pool = self.source.train if split == "train" else self.source.held_out
        found: dict[str, Problem] = {}
        for index in range(len(pool) if number is None else number):
            try:
                problem, response = self.source.demonstration(index, split)
            except NoDemonstration:
                continue
            if not isinstance(response, str):
                raise ConfigError(
                    f"problem {problem.id}: its demonstration is a conversation, and a verifier "
                    "reads one answer; stage=sft learns from conversations"
                )
            found[problem.id] = problem
            self.responses[problem.id] = response
        return list(found.values())

    def made_by(self) -> dict[str, Any]:
        """All responses."""
        text = ascii(sorted(self.responses.items())).encode()
        return {"responses": hashlib.sha256(text).hexdigest()}

    def answers(self, asked: Sequence[Problem], device: Any) -> Iterator[RolloutGroup]:
        """One answer to each, which has ended by itself."""
        for problem in asked:
            text = str(self.responses[problem.id])
            tokens = self.policy.encode_response(text)
            segment = Segment(tokens=tokens, logps=(0.0,) * len(tokens), version=0)
            rollout = Rollout(segments=(segment,), finish="stop", text=text)
            prompt = self.policy.encode(problem)
            yield RolloutGroup(problem=problem, prompt_tokens=prompt, rollouts=(rollout,))
