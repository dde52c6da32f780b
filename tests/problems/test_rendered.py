"""Text as pictures: every word is drawn, nothing else about a problem changes."""

from pathlib import Path

import numpy as np
import pytest

from k15.config import ConfigError
from k15.problems.rendered import REQUEST, Page, RenderedSource
from k15.problems.sources import TaskSource
from k15.questions import fingerprint_of
from k15.tasks.make24 import Make24
from k15.tasks.word_problems import WordProblems

SOURCE = TaskSource(WordProblems(levels=[1]), train_problems=3, held_out_problems=2)


def test_a_rendered_problem_asks_the_same() -> None:
    source = RenderedSource(SOURCE, page=Page(), max_response_tokens=77)
    assert (len(source.train), len(source.held_out), source.max_response_tokens) == (3, 2, 77)
    for told, seen in zip(SOURCE.train, source.train, strict=True):
        content = [{"type": "image"}, {"type": "text", "text": REQUEST}]
        assert seen.prompt == ({"role": "user", "content": content},)
        assert (seen.id, seen.answer, seen.domain) == (told.id, told.answer, told.domain)
        assert fingerprint_of(seen) == fingerprint_of(told)
        assert len(seen.images) == 1
    problem, response = source.demonstration(4)
    assert problem.images and response == SOURCE.demonstration(4)[1]
    assert source.words == ()
    words = RenderedSource(TaskSource(Make24(), held_out_problems=5), page=Page()).words
    assert words == (*Make24().words, REQUEST)


def test_what_has_pictures_stays_as_it_is() -> None:
    source = TaskSource(Make24(modality="image"), train_problems=2, held_out_problems=2)
    assert RenderedSource(source, page=Page()).train[0] == source.train[0]


def test_lines_hold_every_word_and_fit() -> None:
    page = Page(size=12, width=120)
    text = "if x > 1:\n    return  x\n\n" + "long words and short ones " * 5 + "w" * 60
    lines = page.lines(text)
    assert lines[:3] == ["if x > 1:", "    return  x", ""]
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(page.font.getlength(line) <= 120 - 28 for line in lines)
    assert page.lines("") == [""]


def test_a_page_is_as_high_as_its_lines() -> None:
    """A line takes 1.3 sizes; ink is in each of them and not in the margin."""
    page = Page(size=20, width=200, margin=10)
    image = page.draw("one\ntwo\nthree")
    assert image.size == (200, 3 * 26 + 20)
    dark = np.asarray(image.convert("L")) < 128
    assert [bool(dark[10 + 26 * n : 36 + 26 * n].any()) for n in range(3)] == [True] * 3
    assert not dark[:, :9].any() and not dark[:, 191:].any()


def test_letters_that_the_font_lacks_are_refused_by_problem() -> None:
    assert Page().unknown("x² ≤ α, ещё\t\n") == ""
    assert Page().unknown("1 加 1?") == "加"
    source = RenderedSource(SOURCE, page=Page())
    problem = SOURCE.train[0]
    chinese = type(problem)(id="7", prompt=({"role": "user", "content": "1 加 1?"},), answer="2")
    with pytest.raises(ConfigError, match=r"problem 7: the font has no 加; .*data\.page\.font"):
        source.rendered(chinese)


def test_pages_that_cannot_be_drawn_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.page\.size=2: must be at least 6"):
        Page(size=2)
    with pytest.raises(ConfigError, match=r"data\.page\.width=30: must be at least 68"):
        Page(width=30)
    with pytest.raises(ConfigError, match=r"data\.page\.font='absent\.ttf': no such file"):
        Page(font="absent.ttf")
