r"""Counted things behind a number: `18 apples`, `2 pairs of shoes`, `12个苹果`.

A noun phrase leaves the number as it is; `5 or more`, `5 hundredths`, `5 squared` do not. So a
phrase counts things if none of its words belongs to a closed class (prepositions, negations,
comparisons, auxiliaries, numbers) and its last one is a plural; a singular goes with a number of at
most one. In Chinese a measure word stands in front of the noun.
"""

from __future__ import annotations

import re

from k15.graders.math.read.spelled import CHINESE, SPELLED

MOST_WORDS = 5

# The closed classes of English, and what turns a number into another one.
CLOSED_WORDS = """
a an the this that these those some any all both either neither each every no none another other
such what which who whom whose i me my we us our you your he him his she her it its they them their
theirs yours ours hers himself itself
themselves ourselves yourselves
am is are was were be been being do does did done has have had having can could may might must shall
should will would need ought equals equal isn aren wasn doesn don cannot
and or but nor so yet if then else unless because since while whereas than as though although
of in on at by to from with without within into onto over under above below between among beyond
beneath beside besides behind before after during until till toward towards through throughout
across along around about against off out up down upon versus vs via per past near like except
excluding including minus plus divided over modulo mod
not never non nearly almost approximately approx roughly circa maybe perhaps possibly probably
exactly precisely only just merely always sometimes also too very quite rather still even however
instead otherwise thus hence therefore
more less fewer greater smaller larger bigger higher lower most least fewest many much few several
enough extra additional
squared cubed factorial doubled tripled halved inverse reciprocal base binary
decimal hexadecimal octal root power percentage percentages yes wrong incorrect false
something nothing anything etc others mil mils bil bn tn mio grand lakh
lakhs crore crores th st nd rd short shy ago early earlier late later sooner
"""
CLOSED = frozenset(CLOSED_WORDS.split())
PLURALS = {
    "people": "person",
    "children": "child",
    "men": "man",
    "women": "woman",
    "feet": "foot",
    "teeth": "tooth",
    "mice": "mouse",
    "geese": "goose",
    "oxen": "ox",
    "dice": "die",
    "vertices": "vertex",
    "indices": "index",
    "matrices": "matrix",
    "halves": "half",
    "data": "datum",
    "media": "medium",
    "criteria": "criterion",
    **{
        word: word
        for word in [
            "fish",
            "sheep",
            "deer",
            "cattle",
            "offspring",
            "aircraft",
            "series",
            "species",
            "pcs",
        ]
    },
    **{f"{stem}ves": f"{stem}f" for stem in ("lea", "loa", "shel", "cal", "hal", "wol", "scar")},
    **{f"{stem}ves": f"{stem}fe" for stem in ("kni", "li", "wi")},
}
WORD = re.compile(r"(?:\d-)?[A-Za-z]+(?:['’-][A-Za-z]+)*")
SIBILANT = re.compile(r"(.*(?:s|x|z|ch|sh))es")
NO_PLURAL = re.compile(r".*(?:ss|us|is)|[a-z]{1,2}")

MEASURES = (
    "个只本人名位条张把支枝件辆架艘台座间栋层棵株朵颗粒块片根头匹口枚盏双对套副组排队班次遍回场种类项章"
    "节页行列段句题道倍盒箱袋包瓶杯桶罐筐篮堆串束捆卷份顿户家所点分步拍圈下"
)
ALTERED = re.compile(
    rf"不(?!同)|[半多少余几数超未非无没约以上下左右至到或和与乘除加减错第负{CHINESE}]"
)
MEASURED = re.compile(rf"([{MEASURES}]) ?([\u3400-\u9fff]{{0,6}})")


def counted(phrase: str, single: bool) -> str | None:
    """One spelling for the things that `phrase` counts; None if it is no noun phrase.

    Args:
        phrase: `red apples`, `pairs of shoes`, `个苹果`.
        single: whether a singular fits the number: it is at most one.
    """
    if measured := MEASURED.fullmatch(phrase):
        measure, noun = measured.groups()
        return None if ALTERED.search(noun) else f"{measure} {noun}".strip()
    head, _, rest = phrase.partition(" of ")
    words = head.lower().split()
    if rest and not nouns(rest.lower().split()):
        return None
    if not nouns(words):
        return None
    if (last := singular(words[-1])) is None:
        if not single:
            return None
        last = words[-1]
    return " ".join([*words[:-1], last])


def nouns(words: list[str]) -> bool:
    """Whether all of them may stand in a noun phrase."""
    return 0 < len(words) <= MOST_WORDS and all(map(open_class, words))


def open_class(word: str) -> bool:
    parts = re.split("['’-]", word)
    return (
        len(word) > 1
        and WORD.fullmatch(word) is not None
        and not any(part in CLOSED or part in SPELLED for part in parts)
    )


def singular(word: str) -> str | None:
    """`apple` of `apples`; None if it is no plural."""
    if word in PLURALS:
        return PLURALS[word]
    if not word.endswith("s") or NO_PLURAL.fullmatch(word):
        return None
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if sibilant := SIBILANT.fullmatch(word):
        return sibilant[1]
    return word[:-1]
