"""Tests of programming problems, from a statement and programs that solve it (k1.5 §2.3.5).

    generator program ─ sandbox ─► 50 inputs ─┐
    10 ground-truth programs ─────────────────┴─ sandbox ─► outputs ─► rules ─► tests of a problem

The generator is written by a model, or by rule (`fixed`). An input is a valid case where at least 7
of 10 programs agree on the output; a problem is kept where at least 9 of 10 pass all valid cases.
"""
