"""What a problem is about: its domain and its discipline, so that shares can be balanced (k1.5
§2.1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from k15.problems.curation.forms import asked
from k15.types import Problem

DISCIPLINES: Mapping[str, str] = {
    "probability": r"probabilit|\brandom|\bdice?\b|\bcoin|expected value|概率|随机|骰子",
    "geometry": r"triang|circle|angle\b|polygon|perimeter|\barea\b|radius|diameter|parallel|"
    r"perpendicular|rectangl|hexagon|cylinder|sphere|\bcone\b|volume|\[asy\]|三角形|圆|角|面积|"
    r"周长|体积|长方形|正方形",
    "counting": r"how many (?:different |distinct )?(?:ways|ordered|permutations|combinations)|"
    r"arrange|\bchoose\b|permutation|combination|seated|committee|排列|组合|种方法",
    "number theory": r"divisor|divisible|\bprimes?\b|remainder|modulo|\\pmod|\\equiv|\bgcd\b|"
    r"\blcm\b|greatest common|least common|\bdigits?\b|base[- ]\d|multiple of|factors? of|整除|"
    r"质数|余数|公约数|公倍数|个位",
    "calculus": r"derivative|integral|\\int\b|\\lim\b|differentia|converge|导数|积分|极限",
    "trigonometry": r"\\sin|\\cos|\\tan|\bsine\b|cosine|tangent of|radian|三角函数",
    "linear algebra": r"matri(?:x|ces)|pmatrix|determinant|eigenv|vector|\\mathbf|矩阵|向量|行列式",
    "physics": r"\bvelocity|accelerat|\bforce of|newton|\bjoule|\bvolts?\b|\bohm|momentum|速度|"
    r"加速度|牛顿|电压",
    "chemistry": r"\bmoles?\b|molecul|chemical|\batoms?\b|reaction|摩尔|化学|分子",
    "algebra": r"polynomial|equation|\broots?\b|solve for|function|\bf\(|inequalit|quadratic|"
    r"sequence|\bx\b|\blog|方程|函数|数列|不等式",
    "arithmetic": r"\d",
}
"""Discipline -> what its questions mention; the first that is found decides."""
FOUND = {name: re.compile(f"(?i){pattern}") for name, pattern in DISCIPLINES.items()}
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Tags:
    """What a problem is about."""

    domain: str
    """As its source gives it: math, code, vision, open."""
    discipline: str


Tagger = Callable[[Problem], Tags]
"""Rules, or a model of one's own."""


def tagged(problem: Problem) -> Tags:
    """By what the data says (`meta["subject"]`), else by the words of the question."""
    return Tags(problem.domain, discipline(problem))


def discipline(problem: Problem) -> str:
    """The subject that the data gives, in small letters; else the first one that is mentioned."""
    if problem.domain == "code":
        return "programming"
    if subject := problem.meta.get("subject"):
        return str(subject).lower()
    text = asked(problem)
    return next((name for name, pattern in FOUND.items() if pattern.search(text)), OTHER)
