"""Which traces are kept, and that their file can be read: by a person, by us, by `data=chat`."""

from pathlib import Path

from PIL import Image

from k15.problems.conversations import ConversationSource
from k15.rollouts.kept import best, read_kept, rows_of, write_kept
from k15.rollouts.samples import Sample
from k15.types import Problem


def sample(text: str, right: bool = True, finish: str = "stop") -> Sample:
    return Sample(right=right, length=len(text), finish=finish, text=text, tokens=())


def test_the_longest_right_answer_of_each_form_that_has_ended() -> None:
    """Of planning "aaaa" (4), of reflection "bbbbbb" (6); what is longer is wrong or was cut."""
    samples = {
        "planning": [sample("a"), sample("aaaa"), sample("a" * 9, right=False)],
        "evaluation": [sample("c", right=False)],
        "reflection": [sample("bbbbbb"), sample("b" * 9, finish="length"), sample("bb")],
        "exploration": [sample("aaaa"), sample("  ", right=True)],
    }
    chosen = best(samples, 3)
    assert [(form, one.text) for form, one in chosen] == [
        ("reflection", "bbbbbb"),
        ("planning", "aaaa"),
    ]
    assert best(samples, 1) == chosen[:1]
    assert best({"planning": [sample("a", right=False)]}, 3) == []


def test_the_file_is_one_of_conversations(tmp_path: Path) -> None:
    """With a picture that lies beside it, once for two traces, and a place for it in the text."""
    picture = Image.new("RGB", (28, 28), "red")
    content = [{"type": "image"}, {"type": "text", "text": "Which colour? ü"}]
    prompt = ({"role": "system", "content": "Look."}, {"role": "user", "content": content})
    seen = Problem(id="1", prompt=prompt, answer="red", images=(picture,))
    read = Problem(id="2", prompt=({"role": "user", "content": "Sky?"},), answer="blue")
    rows = rows_of(seen, [("a", sample("It is red.")), ("b", sample("Red."))], tmp_path)
    rows += rows_of(read, [("a", sample("Blue."))], tmp_path)
    write_kept(tmp_path, rows)
    assert read_kept(tmp_path) == rows
    assert "ü" in (tmp_path / "long_cot.jsonl").read_text()
    assert len([*(tmp_path / "long_cot_pictures").iterdir()]) == 1
    source = ConversationSource(str(tmp_path / "long_cot.jsonl"))
    shown = [
        source.demonstration(index, split) for split in ("train", "held_out") for index in (0, 1)
    ]
    by_id = {problem.id: (problem, said) for problem, said in shown}
    problem, said = by_id["1 (a)"]
    assert problem.prompt == prompt and said == ({"role": "assistant", "content": "It is red."},)
    assert problem.images[0].getpixel((3, 3)) == (255, 0, 0)
    assert by_id["2 (a)"][0].prompt == read.prompt
