from k15.rewards.repetition import RepetitionPenalty


def test_only_repetition_is_penalised(make_group):
    group = make_group(["a", "b", "c"], finishes=["repetition", "stop", "length"])
    assert RepetitionPenalty().score(group) == [-1.0, 0.0, 0.0]
