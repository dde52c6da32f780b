"""The same question, word by word or nearly; and questions that differ in a number alone."""

from k15.problems.curation.contamination import Contamination
from k15.problems.curation.duplicates import exact_duplicates, jaccard, near_duplicates
from k15.problems.curation.words import numbers, shingles, words
from k15.types import Problem

TRAIN = (
    "A train leaves the station at noon and goes 60 miles in each hour, while a car follows it "
    "at 80 miles in each hour from one o'clock on. After how many hours does the car overtake it?"
)


def asked(id: str, text: str, answer: str = "4") -> Problem:
    return Problem(id=id, prompt=({"role": "user", "content": text},), answer=answer)


def test_words_leave_out_layout_and_keep_numbers_and_operators() -> None:
    assert words(r"Find $\left(x + 1{,}5\right)$, of 1,000.50!") == (
        *("find", "x", "+", "1", "5", "of", "1000.50"),
    )
    assert words("小明有12元") == ("小", "明", "有", "12", "元")
    assert numbers(words("from 2 to 3.5")) == ("2", "3.5")


def test_shingles_of_few_words_are_one() -> None:
    assert shingles(("a", "b"), 3) == {"a b"}
    assert shingles(("a", "b", "c", "d"), 3) == {"a b c", "b c d"}
    assert jaccard(shingles(("a", "b", "c", "d"), 3), shingles(("a", "b", "c"), 3)) == 1 / 2
    assert shingles((), 3) == frozenset()


def test_exact_duplicates_are_however_they_are_spaced() -> None:
    problems = [asked("1", "What is 2 + 2?"), asked("2", "What  is\n2 + 2?"), asked("3", "Else?")]
    assert {id: one.detail for id, one in exact_duplicates(problems).items()} == {"2": "of 1"}


def test_near_duplicates_have_the_same_numbers_and_the_same_answer() -> None:
    problems = [
        asked("first", TRAIN),
        asked("reworded", TRAIN.replace("the station", "a station") + " Please answer."),
        asked("other number", TRAIN.replace("60", "65")),
        asked("other answer", TRAIN.replace("overtake", "meet"), "5"),
        asked("same answer, written otherwise", TRAIN.replace("overtake", "meet"), "4.0"),
    ]
    found = near_duplicates(problems, same=lambda one, other: float(one) == float(other))
    assert [*found] == ["reworded", "same answer, written otherwise"]
    assert found["reworded"].detail.endswith("of first")


def test_hundreds_of_alike_word_problems_are_no_duplicates() -> None:
    texts = [
        f"Nora has {n} shells. Omar gives her {n + k} more." for n in range(20) for k in (1, 2)
    ]
    assert near_duplicates([asked(text, text) for text in texts]) == {}


def test_contamination_is_found_word_by_word_or_by_most_runs_of_words() -> None:
    rule = Contamination({"bench": [asked("7", TRAIN), asked("8", "What is 3 times 4?")]})
    same = rule(asked("a", f" {TRAIN}\n"))
    reworded = rule(asked("b", TRAIN.replace("A train", "Some train") + " Give a number."))
    short = rule(asked("c", "What is $3$ times $4$?"))
    assert same is not None and same.detail == "bench/7: the same question"
    assert reworded is not None and reworded.detail.startswith("bench/7: 9")
    assert short is not None and short.detail == "bench/8: the same words"
    assert rule(asked("d", "What is 3 times 5?")) is None


def test_phrases_that_many_questions_end_in_are_no_contamination() -> None:
    ending = "Express your answer as a common fraction in lowest terms with a positive denominator."
    texts = [
        f"A {name} question about {n} things." for n, name in enumerate(("red", "blue", "tan"))
    ]
    rule = Contamination({"bench": [asked(str(i), f"{t} {ending}") for i, t in enumerate(texts)]})
    assert rule(asked("a", f"What is one half of a third? {ending}")) is None


def test_the_questions_of_pictures_are_compared_with_their_pictures() -> None:
    from PIL import Image

    def seen(id: str, colour: str) -> Problem:
        content = [{"type": "image"}, {"type": "text", "text": "What is this? " + TRAIN}]
        image = Image.new("RGB", (2, 2), colour)
        prompt = ({"role": "user", "content": content},)
        return Problem(id=id, prompt=prompt, answer="4", images=(image,))

    rule = Contamination({"bench": [seen("7", "red")]})
    assert rule(seen("a", "red")) is not None and rule(seen("b", "blue")) is None
    assert near_duplicates([seen("a", "red"), seen("b", "blue")]) == {}
