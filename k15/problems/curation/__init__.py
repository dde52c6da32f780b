"""Which problems RL is worth spending on (k1.5 §2.1).

    problems ─► form, duplicates,  ─► 10 answers and  ─► trivial,  ─► balance ─► curated.jsonl
                contamination,        8 guesses each     guessable
                the gold itself

What the steps share is in `rules`: every removal has a reason, and the report names it.
`python -m k15.problems.curate` puts them together.
"""
