"""Made documents: what they say is true, and the same for the same number."""

import re
from collections import Counter
from itertools import islice
from random import Random

import numpy as np
import pytest

from k15.config import ConfigError
from k15.models.tiny import byte_tokenizer, word_tokenizer
from k15.problems.documents.distortion import Blank, Distortion
from k15.problems.documents.needles import Needles
from k15.problems.documents.pictured import (
    Captions,
    Descriptions,
    Interleaved,
    Questions,
    Reading,
    Told,
    Words,
)
from k15.problems.documents.source import Demonstration
from k15.problems.documents.templated import MARK, Facts, Quotes
from k15.problems.documents.worked import Demonstrations, WorkedProblems
from k15.problems.sources import TaskSource
from k15.questions import text_of
from k15.tasks.make24 import Make24
from k15.tasks.objects import Objects
from k15.tasks.patches import PATCH
from k15.tasks.scenes import COLOURS, Scene, Thing, drawn, scene

TASK = Make24()
MADE = {
    "problems": WorkedProblems(TASK),
    "illustrated": WorkedProblems(TASK, modality="image"),
    "facts": Facts(),
    "quotes": Quotes(TASK),
    "captions": Captions(),
    "descriptions": Descriptions(),
    "interleaved": Interleaved(),
    "questions": Questions(),
    "word": Words(TASK),
    "row": Words(TASK, least=2, most=8),
    "reading": Reading(TASK),
    "needles": Needles(),
    "told": Told(Objects()),
}


def items(source, number: int = 30, first: int = 0, split: str = "train") -> list:
    return [item for _, item in islice(source.read(first, split), number)]


def texts(found: list) -> list[str]:
    return [
        text_of(item.problem.prompt) + item.response
        if isinstance(item, Demonstration)
        else item.text
        for item in found
    ]


@pytest.mark.parametrize("name", MADE)
def test_the_vocabulary_says_all_of_it(name: str) -> None:
    """What a tokenizer of the source's words does not know would be padding."""
    source = MADE[name]
    tokenizer = word_tokenizer(source.words)
    for text in texts(items(source)):
        for line in text.split("\n"):
            assert tokenizer.decode(tokenizer(line)["input_ids"]) == line
    assert byte_tokenizer()  # reads anything


@pytest.mark.parametrize("name", MADE)
def test_a_number_names_a_document_and_sides_differ(name: str) -> None:
    source = MADE[name]
    found = items(source, 20)
    assert texts(items(source, 10, first=10)) == texts(found[10:])
    assert texts(found) != texts(items(source, 20, split="held_out"))
    for one, other in zip(found[10:], items(source, 10, first=10), strict=True):
        shown = (item.problem if isinstance(item, Demonstration) else item for item in (one, other))
        pictures = zip(*(each.images for each in shown), strict=True)
        assert all(np.array_equal(a, b) for a, b in pictures)


def test_facts_contradict_nothing_and_the_held_out_ways_of_telling_are_others() -> None:
    told = re.findall(r" (\w+) likes (\w+)\.", "".join(texts(items(Facts(), 400))))
    liked = Counter(dict.fromkeys(told))
    assert all(sum(name == other for other, _ in liked) <= 2 for name, _ in liked)
    sentences = [
        {
            one
            for text in texts(items(Facts(), 300, split=side))
            for one in re.findall(r" .*?\.", text)
        }
        for side in ("train", "held_out")
    ]
    assert not sentences[0] & sentences[1]


def test_quotes_say_it_again() -> None:
    """Only what is said again is learned: the words themselves are drawn at random."""
    tokenizer = word_tokenizer(TASK.words)
    lengths = set()
    for item in items(Quotes(TASK, least=2, most=4), 50):
        assert item.problem.prompt[0]["content"] == f"{item.response}{MARK}"
        lengths.add(len(tokenizer(item.response)["input_ids"]))
    assert lengths == {2, 3, 4}


def test_captions_tell_what_is_drawn() -> None:
    """Red, at the left: its pixels are where the caption says."""
    things = (Thing("red", "square", 0, 0), Thing("blue", "circle", 0, 2))
    picture = np.asarray(drawn(Scene(1, 3, things), Random(0), 20)).astype(int)
    red = (picture[:, :, 0] > 200) & (picture[:, :, 2] < 100)
    blue = (picture[:, :, 2] > 200) & (picture[:, :, 0] < 100)
    assert np.argwhere(red)[:, 1].max() < 20 <= 40 <= np.argwhere(blue)[:, 1].min()
    assert Scene(1, 3, things).relation(*things) == "left of"


def test_a_visual_task_tells_its_scenes() -> None:
    """One thing each at level 1, whatever the task asks itself; the picture is as dark as that."""
    task = Objects(levels=[3], modality="text")
    for item in items(Told(task, levels=[1]), 20):
        assert re.fullmatch(r" (top|bottom) (left|right): \w+ \w+\.", item.parts[1])
        assert item.parts[0] is None and item.images[0].size == (28, 28)
    told = [item.parts[1] for item in items(Told(task), 20)]
    assert told == [task.problem(number).meta["caption"] for number in range(20)]
    assert task.modality == "text" and task.levels == (3,)
    with pytest.raises(ConfigError, match="task=make24: has no scenes"):
        items(Told(TASK), 1)


def test_relations_are_clear_ones() -> None:
    one, other = Thing("red", "square", 0, 0), Thing("blue", "circle", 1, 2)
    made = Scene(2, 3, (one, other))
    assert made.relation(one, other) is None
    below = Thing("green", "cross", 1, 0)
    assert made.relation(one, below) == "above" and made.relation(below, one) == "below"
    assert made.relation(other, below) == "right of"
    assert len({thing.name for thing in scene(Random(1), 3, 3, 9).things}) == len(
        scene(Random(1), 3, 3, 9).things
    )


def test_interleaved_pictures_each_have_their_caption() -> None:
    for document in items(Interleaved()):
        assert document.parts[::2] == (None,) * len(document.images)
        assert 2 <= len(document.images) <= 4 and all(document.parts[1::2])


def test_what_is_to_be_read_are_the_words_in_the_picture() -> None:
    (item,) = items(Reading(TASK), 1)
    problem, _ = TASK.asked(0, "train")
    values = problem.meta["values"]
    shown = "".join(f" {label}{value}" for label, value in zip("abcdef", values, strict=False))
    assert item.response == item.problem.answer == f" {problem.meta['start']}{shown}"
    assert text_of(item.problem.prompt) == MARK


def test_a_picture_of_words_has_a_patch_for_each_and_the_same_word_looks_alike() -> None:
    """Six places within a patch: a word has at most six looks, and another one none of them."""
    looks: dict[str, set[bytes]] = {}
    for item in items(Words(TASK, least=1, most=4), 2000):
        words = re.findall(r" \w+|[+-]\w|[:}]", item.response)
        (picture,) = item.problem.images
        assert picture.size == (PATCH * len(words), PATCH)
        for place, word in enumerate(words):
            patch = picture.crop((PATCH * place, 0, PATCH * (place + 1), PATCH))
            looks.setdefault(word, set()).add(patch.tobytes())
    assert max(map(len, looks.values())) <= 6
    assert len(set().union(*looks.values())) == sum(map(len, looks.values()))
    assert {" 24", " a2", "+f"} <= looks.keys()


def test_the_answer_to_a_question_is_what_is_drawn() -> None:
    """One shape, its colour asked for: there is one of that, and none of another."""
    answers = Counter()
    for item in items(Questions(most=1), 300):
        (picture,) = item.problem.images
        colour = re.search(r" how many (\w+) shapes\?$", text_of(item.problem.prompt))[1]
        drawn_there = COLOURS[colour] in {pixel for _, pixel in picture.getcolors(10_000)}
        assert item.response == f" {int(drawn_there)}."
        answers[item.response] += 1
    assert min(answers[" 0."], answers[" 1."]) > 40


def test_blank_pictures_are_white_and_of_the_same_size() -> None:
    plain, white = (
        items(Reading(TASK, distortion=distortion), 1)[0] for distortion in (None, Blank())
    )
    (shown,), (hidden,) = plain.problem.images, white.problem.images
    assert white.response == plain.response and hidden.size == shown.size
    assert hidden.getextrema() == ((255, 255),) * 3


def test_the_answer_to_a_needle_is_told_once() -> None:
    for item in items(Needles(shortest=60, longest=90)):
        text = item.problem.prompt[0]["content"]
        name = re.search(r" what does (\w+) hide\?$", text)[1]
        assert re.findall(rf" {name} hides (\d+)\.", text) == [item.problem.answer]
        assert item.response == f" {item.problem.answer}."


def test_distorted_pictures_are_others_of_the_same_size_and_draw_nothing_from_torch() -> None:
    import torch

    (plain,), (bent,) = (
        items(Reading(TASK, distortion=distortion), 1)[0].problem.images
        for distortion in (None, Distortion())
    )
    assert plain.size == bent.size and not np.array_equal(plain, bent)
    assert np.abs(np.asarray(plain).astype(int) - np.asarray(bent)).mean() < 60
    before = torch.get_rng_state()
    again = items(Reading(TASK, distortion=Distortion()), 1)[0].problem.images[0]
    assert torch.equal(before, torch.get_rng_state()) and np.array_equal(bent, again)


def test_demonstrations_of_the_runs_data_come_once_in_a_turn() -> None:
    source = Demonstrations(TaskSource(TASK, train_problems=30, held_out_problems=10))
    ids = [item.id for _, item in source.read()]
    assert len(ids) == len({*ids}) == 30
    assert sorted(item.id for _, item in source.read(0, "train", turn=1)) == sorted(ids)
    assert [item.id for _, item in source.read(10)] == ids[10:]
    assert len([*source.read(0, "held_out")]) == 10
