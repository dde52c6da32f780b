r"""Numbers in words: `twenty-one`, `2.5 million`, `three quarters`; `三百二十一`, `五分之三`.

number   ::= cardinal [1/2] scale* | ("a" | "half") scale+
cardinal ::= hundreds (power hundreds)*
scale    ::= ["a"] ("hundred" | "million" | "dozen" | ...) | "half" | "tenths" | ...
"""

from __future__ import annotations

import re
from fractions import Fraction

LONGEST = 60  # characters
MOST_SCALES = 4  # words that multiply

TO_NINETEEN = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen"
)
TO_NINETY = "twenty thirty forty fifty sixty seventy eighty ninety"
ORDINALS = "third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
ONES = {word: value for value, word in enumerate(TO_NINETEEN.split())}
TENS = {word: 10 * value for value, word in enumerate(TO_NINETY.split(), 2)}
POWERS = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
SCALES = {"hundred": 100, **POWERS, "dozen": 12, "score": 20, "gross": 144}
PARTS = {
    "half": 2,
    "halves": 2,
    "quarter": 4,
    **{word: value for value, word in enumerate(ORDINALS.split(), 3)},
    "sixteenth": 16,
    "twentieth": 20,
    "hundredth": 100,
    "thousandth": 1000,
    "millionth": 10**6,
}
SCALES |= {f"{word}s": value for word, value in SCALES.items() if word not in ("score", "gross")}
PARTS |= {f"{word}s": value for word, value in PARTS.items() if word not in ("half", "halves")}
OTHERS = "tens scores first once twice thrice double triple googol"
SPELLED = frozenset(
    [*ONES, *TENS, *SCALES, *PARTS, *(f"{word}s" for word in ONES), *OTHERS.split()]
)

DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {
    "〇": 0,
    "两": 2,
}
STEPS = {"十": 10, "百": 100, "千": 1000}
CHINESE = "零〇一二两三四五六七八九十百千万亿"
CHINESE_NUMBER = re.compile(rf"([{CHINESE}]+)(?:点([零〇一二三四五六七八九]+))?")
CHINESE_PART = re.compile(rf"([{CHINESE}]+)分之([{CHINESE}]+)")
CHINESE_SCALES = {"百": 100, "千": 1000, "万": 10**4, "亿": 10**8, "万亿": 10**12}


def spelled(text: str) -> tuple[Fraction, str] | None:
    """The number that `text` starts with in words, and what is left; None if there is none."""
    text = text.strip()
    if len(text) > LONGEST:
        return None
    if text[:1] in CHINESE or text[:2] == "一半":
        return chinese(text)
    words = re.sub(r"(?<=[A-Za-z])-(?=[A-Za-z])", " ", text).split()
    found = number([word.lower() for word in words])
    return (found[0], counted(words[found[1] :])) if found else None


def number(words: list[str]) -> tuple[Fraction, int] | None:
    """The value of the first words that are a number, and how many those are."""
    if words[:1] == ["a"] and words[1:2] in (["hundred"], *([power] for power in POWERS)):
        words = ["one", *words[1:]]
    whole, place = cardinal(words)
    value = Fraction(whole)
    if article := not place and words[:1] in (["a"], ["an"]):
        value, place = Fraction(1), 1
    if place < len(words) and (fraction := re.fullmatch(r"(\d)/([1-9]\d*)", words[place])):
        value, place = value + Fraction(fraction[0]), place + 1
    factor, more = scaled(words[place:])
    if not place and words[:1] == ["half"]:
        return factor, more
    return None if not place or (article and not more) else (value * factor, place + more)


def cardinal(words: list[str]) -> tuple[int, int]:
    """`three hundred five thousand twelve`: the value, and how many words it has."""
    total = group = 0
    room, limit = 1000, 10**15  # the next number is less than `room`, the next power than `limit`
    for place, word in enumerate(words):
        value = ONES.get(word, TENS.get(word, room))
        if value < room and (value or not place):
            group, room = group + value, 10 if word in TENS else 0
        elif word == "hundred" and 0 < group < 100:
            group, room = 100 * group, 100
        elif group and POWERS.get(word, limit) < limit:
            limit = POWERS[word]
            total, group, room = total + group * limit, 0, 1000
        else:
            return total + group, place
    return total + group, len(words)


def scaled(words: list[str]) -> tuple[Fraction, int]:
    """What the first words multiply a number by: `hundred thousand`, `tenths`, `half a million`;
    and how many they are.
    """
    factor, place = Fraction(1), 0
    for word in words[:MOST_SCALES]:
        if word in SCALES:
            factor *= SCALES[word]
        elif word in PARTS:
            factor /= PARTS[word]
        elif word != "a" or words[place + 1 : place + 2] not in ([scale] for scale in SCALES):
            break
        place += 1
    return factor, place


def multiplied(tail: str) -> tuple[Fraction, str]:
    """What the words behind a number multiply it by, and the rest: `million dollars`, `万元`."""
    if tail[:1] in CHINESE_SCALES and tail:
        word = "万亿" if tail.startswith("万亿") else tail[0]
        return Fraction(CHINESE_SCALES[word]), tail[len(word) :]
    words = tail.split()
    factor, place = scaled([word.lower() for word in words])
    return factor, counted(words[place:]) if place else tail


def counted(words: list[str]) -> str:
    """What is counted: `mile` of `(half) of a mile`."""
    return re.sub(r"^(?:of )?(?:an? )?", "", " ".join(words))


def chinese(text: str) -> tuple[Fraction, str] | None:
    """`三百二十一元` is 321 and `元`; `五分之三` is 3/5; `一半` is 1/2."""
    if text.startswith("一半"):
        return Fraction(1, 2), text[2:]
    if part := CHINESE_PART.match(text):
        bottom, top = (section(digits) for digits in part.groups())
        return (Fraction(top, bottom), text[part.end() :]) if bottom and top is not None else None
    if not (match := CHINESE_NUMBER.match(text)) or (whole := section(match[1])) is None:
        return None
    digits = "".join(str(DIGITS[character]) for character in match[2] or "")
    return whole + Fraction(int(digits or 0), 10 ** len(digits)), text[match.end() :]


def section(characters: str) -> int | None:
    """The value of Chinese digits; None if they are no number, as 十十 or 百."""
    for scale, value in (("亿", 10**8), ("万", 10**4)):
        if scale in characters:
            high, _, low = characters.rpartition(scale)
            top, rest = section(high), section(low) if low else 0
            return None if top is None or rest is None or rest >= value else top * value + rest
    if all(character in DIGITS for character in characters):
        return int("".join(str(DIGITS[character]) for character in characters) or -1)
    total, digit, last = 0, None, 10**4
    for character in characters:
        if character in DIGITS:
            if digit:
                return None
            digit = DIGITS[character]
            continue
        step = STEPS[character]
        if step >= last or (digit is None and not (step == 10 and total == 0)):
            return None
        total, digit, last = total + (1 if digit is None else digit) * step, None, step
    return total + (digit or 0)
