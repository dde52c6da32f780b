"""What cannot be used is cut or left out by name, before weights move."""

import json
from pathlib import Path

import pytest

from k15.datamodules.demonstrations import DemonstrationData
from k15.datamodules.usable import Usable
from k15.models.layouts.base import expanded_length
from k15.models.tiny import tiny_policy
from k15.problems.record_source import RecordSource
from k15.tasks.make24 import Make24
from k15.types import Example

TEN = tiny_policy(words=Make24().words, hidden_size=32, layers=1, context=10)


def example(prompt: int, response: int, **more) -> Example:
    return Example(
        prompt_tokens=tuple(range(30, 30 + prompt)),
        response_tokens=tuple(range(50, 50 + response)),
        **more,
    )


def test_what_fits_comes_back_as_it_is(capsys) -> None:
    """Ten tokens fit into a context of ten."""
    usable, fits = Usable(TEN, "texts", max_refused=0.0), example(4, 6)
    assert usable.fit("a", fits) is fits
    usable.report()
    assert capsys.readouterr().out == ""


def test_what_does_not_fit_is_refused_by_name_and_count() -> None:
    usable = Usable(TEN, "texts", max_refused=0.3)
    assert usable.fit("a", example(4, 6)) is not None
    assert usable.fit("b", example(4, 7)) is None
    assert usable.fit("c", example(11, 1)) is None
    with pytest.raises(ValueError) as caught:
        usable.report()
    first, second, third, last = str(caught.value).splitlines()
    assert first == "2 of 3 texts cannot be used:"
    assert second.startswith(
        "  b: 4 tokens of prompt and 7 of response exceed the model's context of 10:"
    )
    assert "datamodule.cut_to_context=true" in third and third.startswith("  c: 11 tokens of")
    assert last.startswith("more than datamodule.max_refused=0.3 of them; mend the data, or raise")


def test_a_share_may_be_left_out(capsys) -> None:
    """A text that comes again counts once."""
    usable = Usable(TEN, "texts", max_refused=0.7)
    for name, response in {"a": 6, "b": 7}.items():
        usable.fit(name, example(4, response))
        usable.fit(name, example(4, response))
    usable.refuse("c", "it is torn")
    usable.refuse("c", "it is torn")
    usable.report()
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "2 of 3 texts cannot be used:"
    assert said[-2:] == ["  c: it is torn", "they are left out"]


def test_responses_are_cut_where_that_is_asked_for(capsys) -> None:
    """Four tokens of the prompt leave six for the response; ten leave none to learn from."""
    usable = Usable(TEN, "texts", max_refused=0.5, cut=True)
    mask = (False, *(True,) * 8)
    assert usable.fit("a", example(4, 9, loss_mask=mask)) == example(4, 6, loss_mask=mask[:6])
    assert usable.fit("b", example(10, 1)) is None
    usable.report()
    assert "1 of 2 texts are cut at the model's context of 10 tokens" in capsys.readouterr().out


def test_none_that_fits_is_not_waited_for() -> None:
    usable = Usable(TEN, "texts", max_refused=1.0)
    with pytest.raises(ValueError, match="1000 came in a row"):
        for number in range(2000):
            usable.fit(str(number), example(4, 7))


def test_a_share_is_from_zero_to_one() -> None:
    with pytest.raises(ValueError, match=r"max_refused=2: a share is from 0 to 1"):
        Usable(TEN, "texts", max_refused=2)


def test_pictures_count_with_their_visual_tokens() -> None:
    """Sixteen of them instead of one placeholder."""
    task = Make24(levels=[1], modality="image")
    problem = task.problem(0)
    one = tiny_policy(words=task.words, modality="image", hidden_size=32, layers=1)
    asked = Example(
        prompt_tokens=one.encode(problem), response_tokens=(7, 1), images=problem.images
    )
    for context, fits in {asked.length + 15: True, asked.length + 14: False}.items():
        policy = tiny_policy(
            words=task.words, modality="image", hidden_size=32, layers=1, context=context
        )
        found = Usable(policy, "texts", max_refused=1.0).fit("a", asked)
        assert (found is not None) == fits


@pytest.mark.parametrize("cut", [False, True])
def test_demonstrations_fit_into_the_context(cut: bool, tmp_path: Path, capsys) -> None:
    """One record in five has a solution of 300 bytes, for a context of 200."""
    rows = [
        {"problem": f"{i}+{i}?", "answer": 2 * i, "solution": "x" * (20 if i % 5 else 300)}
        for i in range(50)
    ]
    file = tmp_path / "sums.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = DemonstrationData(
        policy=tiny_policy(context=200),
        source=RecordSource(str(file)),
        tokens=4000,
        tokens_per_batch=400,
        held_out_examples=5,
        cut_to_context=cut,
        max_refused=0.0 if cut else 0.3,
    )
    made.setup("fit")
    lengths = {expanded_length(made.policy, one) for one in (*made.train, *made.held_out)}
    assert max(lengths) == 200 if cut else max(lengths) < 100
    said = "are cut at" if cut else "sums.jsonl:6: "
    assert said in capsys.readouterr().out


def test_demonstrations_without_a_solution_are_named_and_counted(tmp_path: Path, capsys) -> None:
    """Every fifth record has none; silently, these would teach to answer without a thought."""
    rows = [
        {"problem": f"{i}+{i}?", "answer": 2 * i, "solution": f"So {2 * i}." if i % 5 else None}
        for i in range(50)
    ]
    file = tmp_path / "sums.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def made(max_refused: float) -> DemonstrationData:
        policy, source = tiny_policy(context=200), RecordSource(str(file))
        return DemonstrationData(
            policy=policy,
            source=source,
            tokens=4000,
            tokens_per_batch=400,
            held_out_examples=5,
            max_refused=max_refused,
        )

    with pytest.raises(
        ValueError, match=r"\d+ of 50 demonstrations cannot be used:\n.*no solution"
    ):
        made(0.01).setup("fit")
    left = made(0.3)
    left.setup("fit")
    assert all(left.policy.decode(e.response_tokens).startswith("So ") for e in left.train)
    assert "they are left out" in capsys.readouterr().out
