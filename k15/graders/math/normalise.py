r"""One spelling for what only looks different: `\dfrac`, `\left(`, `10{,}000`, `0.\dot3`."""

from __future__ import annotations

import re
import unicodedata

from k15.graders.math.dress import undressed
from k15.graders.math.read.writings import joined, written

UNICODE = str.maketrans(
    {
        "−": "-",
        "–": "-",
        "×": r"\times ",
        "·": r"\cdot ",
        "÷": "/",
        "π": r"\pi ",
        "√": r"\sqrt ",
        "∞": r"\infty ",
        "≤": r"\le ",
        "≥": r"\ge ",
        "≠": r"\ne ",
        "≈": r"\approx ",
        "±": r"\pm ",
        "∪": r"\cup ",
        "∈": r"\in ",
        "∅": r"\emptyset ",
        "∠": r"\angle ",
        "△": r"\triangle ",
        "∥": r"\parallel ",
        "⊥": r"\perp ",
        "∖": r"\setminus ",
        "ℝ": r"\R ",
        "ℤ": r"\Z ",
        "ℕ": r"\N ",
        "ℚ": r"\Q ",
        "≦": r"\le ",
        "≧": r"\ge ",
        "°": r"^\circ ",
        "‰": r"\permil ",
        "㎡": r"\text{m}^2",
        "㎥": r"\text{m}^3",
        "㎠": r"\text{cm}^2",
        "℃": r"^\circ C",
        "℉": r"^\circ F",
        **{circled: rf"\circled{{{n}}}," for n, circled in enumerate("①②③④⑤⑥⑦⑧⑨⑩", 1)},
        **dict.fromkeys("‐‑‒—﹣－", "-"),
    }
)
VULGAR_FRACTION = re.compile("[¼-¾⅐-⅞]")
END = r"(?![A-Za-z])"  # of a command
TEXT = r"\\(?:text(?:bf|it|rm|normal|up)?|mathrm|mathbf|mbox|operatorname)"
CIRCLE = r"(?:\^ ?\{? ?\\circ ?\}?|\\degree)"
PERCENT = r"(?:percent|pct|per cent|percentage)(?: points?)?"
NUMBER = r"(?:(\d+|[a-z])|\{ ?([\da-z+-]+) ?\})"
CHOOSE = r"(?<![A-Za-z\\])(?:C|\\(?:mathrm|text|mathbf) ?\{ ?C ?\}|\{ ?C ?\})"
ARRANGE = CHOOSE.replace("C", "[AP]")
EXCEPT = "(?i:all real(?:s| numbers),? (?:except|but|other than)(?: for)?)"
REWRITES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\s+", " "),
        # thousands, as LaTeX writes them: 10,\!000 10{,}000 10\,000 10\ 000
        (r"(?<=\d)(?:, ?\\!|\{,\}|\\[, ]|')\s*(?=\d{3}(?!\d))", ""),
        (r"(?<!\\)\\!", ""),
        (r"(?<!\\)\\[,;: ]|~|\\q?quad" + END, " "),
        (r"\\m?(?:left|right|middle|[bB]ig{1,2}[lrm]?)(?:" + END + r")(?:\.(?!\d))?", ""),
        (r"\\(?:displaystyle|textstyle|limits|nolimits)" + END, ""),
        (r"\\[hv]?phantom ?(?:\{[^{}]*\}|[-+])", ""),
        (r"\\(?:[dtcs]|nice|flat)frac" + END, r"\\frac"),
        (r"\\(?:dbinom|tbinom)" + END, r"\\binom"),
        (r"\\(?:leq(?:slant|q)?|le)" + END + "|<=|=<|⩽", r"\\le "),
        (r"\\(?:geq(?:slant|q)?|ge)" + END + "|>=|⩾", r"\\ge "),
        (r"\\(?:neq|ne)" + END + r"|\\not ?=|!=", r"\\ne "),
        (r"\\lt" + END, "<"),
        (r"\\gt" + END, ">"),
        (r"\\[lr]vert" + END + r"|\\[lr]?vert" + END, "|"),
        (r"\\lbrace" + END, r"\\{"),
        (r"\\rbrace" + END, r"\\}"),
        (rf"\\[lc]?dots{END}|\.\.\.", r"\\dots "),
        (r":=", "="),
        (r"\\colon" + END + r"|\{:\}", ":"),
        (r"(?<=\d) ?(?:\\text ?\{ ?to ?\}|to|比) ?(?=\d)", ":"),
        (r"\\\{ ?\\\}", r"\\emptyset "),
        (r"\\varnothing" + END, r"\\emptyset "),
        (rf"{TEXT} ?\{{ ?(?i:(?:the )?empty set|空集) ?\}}|空集", r"\\emptyset "),
        (rf"(?<=\d) ?/ ?({TEXT}) ?\{{ ?(?=[a-z]{{2}})", r"\1{/"),
        (
            rf"\\text ?\{{ ?{EXCEPT} ?(?:\}} ?(.+)|([^{{}}]+)\}})$|{EXCEPT} (.+)$",
            r"\\R\\setminus\{\1\2\3\}",
        ),
        (rf"{TEXT} ?\{{ ?(\\\$|[€£¥¢₹₩]|-) ?\}}", r"\1"),
        (rf"{TEXT} ?\{{ ?(USD|EUR|GBP|CNY|RMB) ?\}}(?= ?\d)", r"\1 "),
        (r"\\(?:text)?(?:pounds|sterling)" + END, "£"),
        (r"\\(?:text)?euro" + END + r"(?: ?\{\})?", "€"),
        (r"\\(?:text)?yen" + END, "¥"),
        (
            rf"\\frac ?\{{ ?{TEXT} ?\{{([^{{}}]*)\}} ?\}} ?\{{ ?{TEXT} ?\{{([^{{}}]*)\}} ?\}}",
            r"\\text{\1/\2}",
        ),
        (r"\\(?:mathrm|rm) (?=[A-Za-z](?![A-Za-z]))", " "),
        (rf"{TEXT} ?\{{ ?([eid]) ?\}}", r" \1 "),
        (
            rf"{TEXT} ?\{{ ?{CIRCLE} ?([CF]) ?\}}"
            rf"|{CIRCLE} ?(?:{TEXT} ?\{{ ?)?([CF]){END}(?: ?\}})?",
            r"\\text{deg\1\2}",
        ),
        (rf"\\mu ?{TEXT} ?\{{ ?([A-Za-z]+) ?\}}", r"\\text{µ\1}"),
        (r"\\(?:text)?perthousand" + END, r"\\permil "),
        (r"(?<=\d)(?: x (?=\d)| ?x ?(?=10 ?\^))", r"\\times "),
        (r"(?:\\text ?\{ ?)?(?i:all real(?:s| numbers))(?: ?\})?" + END, r"\\R "),
        (r"\\(?:mathbb|Bbb) ?(?:([CNQRZ])|\{([CNQRZ])\})", r"\\\1\2 "),
        (r"\\(?:smallsetminus|backslash)" + END, r"\\setminus "),
        (r"\\R *- *(?=\\\{)", r"\\R\\setminus "),
        (r"\\textcircled ?\{ ?(\d+) ?\}", r"\\circled{\1},"),
        (r"\\equiv" + END, "="),
        (r"\{?(\b\w+|\{\w+\}) ?\\choose ?(\w+|\{\w+\})\}?", r"\\binom{\1}{\2}"),
        (rf"{CHOOSE}_{NUMBER}\^{NUMBER}", r"\\binom{\1\2}{\3\4}"),
        (rf"{CHOOSE}\^{NUMBER}_{NUMBER}", r"\\binom{\3\4}{\1\2}"),
        (rf"(?:\{{\}})?[_^]{NUMBER} ?{CHOOSE}_{NUMBER}", r"\\binom{\1\2}{\3\4}"),
        (rf"{ARRANGE}_{NUMBER}\^{NUMBER}", r"\\frac{\1\2!}{(\1\2-\3\4)!}"),
        (rf"(?:\{{\}})?[_^]{NUMBER} ?{ARRANGE}_{NUMBER}", r"\\frac{\1\2!}{(\1\2-\3\4)!}"),
        (r"\*\*(?=[\d({-])", "^"),
        (rf"(?<=\d),? {PERCENT}(?![A-Za-z])", "%"),
        (rf"{TEXT} ?\{{ ?(?:{PERCENT}|\\?%) ?\}}|\\%", "%"),
        (r"(?<![\\A-Za-z])(sqrt|sin|cos|tan|log|ln|pi|infty)" + END, r"\\\1 "),
        (r"(?:(?<![\\A-Za-z])(?:infinity|oo)|(?<![A-Za-z])\\?inf)" + END, r"\\infty "),
        (r", ?,", ","),
        (r"\s+", " "),
        # a space that separates neither words nor the items of a list
        (r"(?<![\w,%})]) | (?!\w)", ""),
    )
]
NUMBER_ALONE = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
METRES = re.compile("(?<=[0-9 ])m(?=[²³])")  # m^2 in LaTeX is the square of a symbol
SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+")
COMMAND_BACKSLASHES = re.compile(r"\\\\(?=[A-Za-z({\[])")
DELIMITERS = re.compile(r"(?<!\\)\$\$?(.*?)(?<!\\)\$\$?|\\\((.*?)\\\)|\\\[(.*?)\\\]", re.DOTALL)
ARRAY = re.compile(
    r"[\[(] ?\\begin ?\{(?:array|matrix)\}(?:\{[lcr|]*\})?(.*?)\\end ?\{(?:array|matrix)\} ?[\])]"
)
# what is no text and no unit, though it is written as one
WRAPPED = re.compile(
    rf"{TEXT} ?\{{ ?([-\d.,/]+%?|\(?[A-Z]\)|\([^{{}}]*\)|\d{{1,2}}:\d\d[^{{}}]*) ?\}}"
)


def normalise(answer: str) -> str:
    r"""One spelling for what only looks different: `\dfrac`, `\left(`, spaces, `10{,}000`."""
    if NUMBER_ALONE.fullmatch(answer):  # as most answers are
        return answer
    if not answer.isascii():
        answer = METRES.sub(r"\\text{m}", VULGAR_FRACTION.sub(r" \g<0>", answer))
        answer = SUPERSCRIPT.sub(r"^{\g<0>}", answer)
        answer = answer.translate(UNICODE)
        answer = unicodedata.normalize("NFKC", answer).replace("⁄", "/")
    if "\\\\" in answer and "\\begin" not in answer:
        answer = COMMAND_BACKSLASHES.sub(r"\\", answer)
    answer = undressed(joined(answer))
    answer = DELIMITERS.sub(lambda m: f" {m[1] or m[2] or m[3] or ''} ", answer)
    for pattern, replacement in REWRITES:
        answer = pattern.sub(replacement, answer)
    answer = ARRAY.sub(r"\\begin{pmatrix}\1\\end{pmatrix}", answer)
    answer = answer.strip().rstrip(".,;: \\").strip()
    if wrapped := WRAPPED.fullmatch(answer):
        answer = wrapped[1].strip()
    return written(answer)
