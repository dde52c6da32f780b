"""What makes two problems the same question: words and pictures, and nothing else."""

from PIL import Image

from k15.questions import fingerprint, fingerprint_of, is_held_out
from k15.types import Problem


def asked(content: object, *pictures: Image.Image, **more: object) -> Problem:
    prompt = ({"role": "user", "content": content},)
    return Problem(id="x", prompt=prompt, answer="1", images=pictures, **more)


def test_the_words_count_and_not_how_they_are_spaced() -> None:
    assert fingerprint("What is  1+1?\n") == fingerprint(" What is 1+1?")
    assert fingerprint("What is 1+1?") != fingerprint("What is 1+2?")
    assert fingerprint("half a pair \ud800") == fingerprint("half a pair \ud800")
    assert len(fingerprint("")) == 64


def test_pictures_are_part_of_the_question_in_their_order() -> None:
    red, blue = Image.new("RGB", (2, 2), "red"), Image.new("RGB", (2, 2), "blue")
    content = [{"type": "image"}, {"type": "text", "text": "How?"}]
    assert fingerprint_of(asked(content, red)) == fingerprint_of(asked(content, red.copy()))
    assert fingerprint_of(asked(content, red)) != fingerprint_of(asked(content, blue))
    both = [{"type": "image"}, *content]
    assert fingerprint_of(asked(both, red, blue)) != fingerprint_of(asked(both, blue, red))
    assert fingerprint_of(asked("How?")) == fingerprint("How?")


def test_one_question_in_so_many_is_held_out() -> None:
    """Of 2,000 a tenth and a quarter; the standard deviations are 13 and 19."""
    prints = [fingerprint(f"What is {n}?") for n in range(2000)]
    assert abs(sum(is_held_out(one, 10) for one in prints) - 200) < 54
    assert abs(sum(is_held_out(one, 4) for one in prints) - 500) < 78
