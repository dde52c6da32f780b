r"""Whether the answer in a response is the reference answer.

    response    r"... so \boxed{\dfrac{6}{8}\text{ cm}}."
       │  extract/      where the answer stands: boxed, free or choice
       ▼
    answer      r"\dfrac{6}{8}\text{ cm}"
       │  dress.py      without colours, fonts, `\text{}` around mathematics; commas for "and"
       │  normalise.py  one spelling for what only looks different
       ▼
    spelling    r"\frac{6}{8}\text{ cm}"
       │  read/         by grammar: a quantity, words, a figure, a set, a matrix, a relation...
       ▼
    reading     Quantity(3/4, unit="cm")          over the exact values of algebra/
       │  compare/      with the reading of the reference answer: exact.py first
       ▼
    True, False, or None: exact arithmetic does not decide it
       │  worker.py     math-verify, in a process that can be killed
       ▼
    True or False

`verifier.py` walks this way. A reference answer has to be read by one of the two readers, which
`MathVerifier.check` finds out; a response whose answer nobody can read is wrong.
"""
