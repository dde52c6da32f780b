"""Rows become conversations, or are refused by file, line, field and way out."""

import json
from pathlib import Path

import pytest

from k15.problems.conversations import ConversationSource
from k15.problems.pools import RecordPools
from k15.types import Problem
from tests.problems.test_pictures import png

USER, ASSISTANT = {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}
SYSTEM = {"role": "system", "content": "s"}


def source(folder: Path, *rows: dict, **settings: object) -> ConversationSource:
    """The rows to train on; another question is held out."""
    file, other = folder / "rows.jsonl", folder / "other.jsonl"
    other.write_text('{"prompt": "held out?", "response": "yes"}\n')
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return ConversationSource(str(file), held_out_path=str(other), **settings)  # type: ignore[arg-type]


def read(folder: Path, *rows: dict, **settings: object) -> list[tuple[list, list, Problem]]:
    made = source(folder, *rows, **settings)
    found = (made.demonstration(index) for index in range(len(made.train)))
    return [([*problem.prompt], [*turns], problem) for problem, turns in found]


def test_pairs_and_messages(tmp_path: Path) -> None:
    more = {"role": "user", "content": [{"type": "text", "text": "c"}]}
    rows = [
        {"prompt": "a", "response": " b "},
        {"question": "a?", "answer": 8},
        {"problem": "a!", "solution": "so b", "answer": "b", "system": "s"},
        {"messages": [SYSTEM, {**USER, "content": "a."}, ASSISTANT, more, ASSISTANT, USER]},
    ]
    found = read(tmp_path, *rows)
    user = [[{**USER, "content": text}] for text in ("a", "a?", "a!", "a.")]
    assert [prompt for prompt, _, _ in found] == [*user[:2], [SYSTEM, *user[2]], [SYSTEM, *user[3]]]
    assert [turns for _, turns, _ in found] == [
        [ASSISTANT],
        [{**ASSISTANT, "content": "8"}],
        [{**ASSISTANT, "content": "so b"}],
        [ASSISTANT, {**USER, "content": "c"}, ASSISTANT],  # behind it, nothing is to be learned
    ]
    assert {problem.answer for _, _, problem in found} == {None}


def test_a_system_turn_for_all_that_have_none(tmp_path: Path) -> None:
    own = {"prompt": "c", "response": "d", "system": "mine"}
    one, two = read(tmp_path, {"messages": [USER, ASSISTANT]}, own, system="yours")
    assert [prompt[0]["content"] for prompt, _, _ in (one, two)] == ["yours", "mine"]


def test_pictures_stand_where_the_turns_say(tmp_path: Path) -> None:
    for name in "xyz":
        (tmp_path / f"{name}.png").write_bytes(png())
    image, text = {"type": "image"}, {"type": "text", "text": "and"}
    rows = [
        {"prompt": "a <image>", "response": "b", "image": "x.png"},
        {"messages": [{**USER, "content": [image, text]}, ASSISTANT,
                      {**USER, "content": "c<image>"}, ASSISTANT], "images": ["x.png", "y.png"]},
        {"messages": [USER, ASSISTANT, {**USER, "content": "d"}, ASSISTANT],
         "images": ["x.png", "y.png", "z.png"]},
    ]  # fmt: skip
    one, two, three = read(tmp_path, *rows)
    assert one[0][0]["content"] == [{"type": "text", "text": "a "}, image]
    assert two[0][0]["content"] == [image, text]
    assert two[1][1]["content"] == [{"type": "text", "text": "c"}, image]
    assert three[0][0]["content"] == [image, image, image, {"type": "text", "text": "a"}]
    assert [len(problem.images) for _, _, problem in (one, two, three)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"messages": [USER, {"role": "bot", "content": "b"}]},
         "'messages': message 2 has the role 'bot'; roles are system, user, assistant"),
        ({"messages": [USER, {**ASSISTANT, "content": " \n"}]}, "message 2 (assistant) is empty"),
        ({"messages": [USER, {**ASSISTANT, "content": None}]}, "message 2 (assistant): its"),
        ({"messages": [USER, {**ASSISTANT, "content": [{"type": "audio"}]}]}, "content must be"),
        ({"messages": [USER]}, "no turn of an assistant, so there is nothing to learn"),
        ({"messages": []}, "no turn of an assistant"),
        ({"messages": [ASSISTANT, USER]}, "the assistant speaks before a user has asked"),
        ({"messages": [USER, SYSTEM, ASSISTANT]}, "message 2 is a system turn; only the first may"),
        ({"messages": "a"}, "field 'messages' must be a list of messages, got 'a' (text)"),
        ({"messages": [{"from": "human", "value": "a"}]}, "message 1 must have a role and"),
        ({"messages": [USER, {**ASSISTANT, "content": "<image>"}]}, "message 2 (assistant) holds"),
        ({"messages": [{**USER, "content": "<image>"}, ASSISTANT]}, "1 places for pictures (<im"),
        ({"messages": [{**USER, "content": "a\0"}, ASSISTANT]}, "field 'messages' holds NUL"),
        ({"prompt": "a"}, "no field 'response' or 'completion' or 'solution' or 'answer'"),
        ({"prompt": "a", "response": ""}, "field 'response' must be text or a number, got ''"),
        ({"prompt": [USER], "response": "b"}, "field 'prompt' must be text, got"),
        ({"text": "a"}, "no field 'prompt' or 'question' or 'problem'; the record has ['text']"),
    ],
)  # fmt: skip
def test_a_row_that_says_nothing_is_refused(tmp_path: Path, row: dict, reason: str) -> None:
    with pytest.raises(ValueError) as caught:
        source(tmp_path, {"prompt": "?", "response": "!"}, row)
    [line] = str(caught.value).splitlines()
    assert line.startswith(f"{tmp_path}/rows.jsonl:2: ") and reason in line
    assert "Mend the record, or name another field with data.fields." in line and len(line) < 450


def test_of_a_short_file_one_question_is_held_out(tmp_path: Path) -> None:
    """Which one goes by the question, not by its place; a single one cannot be both."""
    rows = [{"prompt": f"{n}?", "response": "b"} for n in (1, 2, 3)]
    sides = []
    for number, some in enumerate((rows, rows[::-1])):
        file = tmp_path / f"{number}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in some))
        made: RecordPools = ConversationSource(str(file))
        sides.append(
            [sorted(p.prompt[0]["content"] for p in s) for s in (made.train, made.held_out)]
        )
    assert sides[0] == sides[1] and [len(side) for side in sides[0]] == [2, 1]
    file.write_text(json.dumps(rows[0]) + "\n")
    with pytest.raises(ValueError, match="no held-out problems among 1 records"):
        ConversationSource(str(file))
