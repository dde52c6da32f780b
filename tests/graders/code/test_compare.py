"""Outputs and values that are as good as the expected ones, and near misses."""

import json

import pytest

from k15.graders.code.compare import Comparison, plain_value, same_output, same_value


@pytest.mark.parametrize(
    ("comparison", "output", "expected", "same"),
    [
        ("exact", b"1 2\n", b"1 2", True),
        ("exact", b"1  2\n", b"1 2\n", False),
        ("exact", b"1 2\n\n", b"1 2\n", False),
        ("tokens", b" 1\t2\r\n\n", b"1 2", True),
        ("tokens", b"12", b"1 2", False),
        ("tokens", b"1.0", b"1", False),
        ("tokens", b"", b"", True),
        ("tokens", b"", b"0", False),
        ("tokens", b"\xff\xfe", b"1", False),
        ("tokens", b"Yes", b"YES", False),
        ("float", b"0.3333333", b"0.33333333333", True),
        ("float", b"0.3333", b"0.33333333333", False),
        ("float", b"1000000.5", b"1000000.0", True),  # 0.5 <= 1e-6 * 1,000,000
        ("float", b"1000001", b"1000000", False),  # integers are exact
        ("float", b"1e3", b"1000.0", True),
        ("float", b"nan", b"1.0", False),
        ("float", b"inf", b"1e999", False),
        ("float", b"1_0", b"10.0", False),
        ("float", b"0x10", b"16.0", False),
        ("float", b"yes 1.0", b"yes 1", True),
        ("float", b"1.0 1.0", b"1.0", False),
    ],
)
def test_outputs(comparison: Comparison, output: bytes, expected: bytes, same: bool) -> None:
    assert same_output(output, expected, comparison, 1e-6) is same


@pytest.mark.parametrize(
    ("value", "expected", "same"),
    [
        (1, 1, True),
        (1, 1.0, True),
        (1, 2, False),
        ("1", 1, False),
        (None, 0, False),
        ({"tuple": [1, {"tuple": [2]}]}, [1, [2]], True),
        ([1], [1, 1], False),
        ([[1]], [1], False),
        ({"dict": [[1, "a"]]}, {"1": "a"}, True),
        ({"dict": [["1", "b"]]}, {"1": "a"}, False),
        ({"dict": []}, {}, True),
        ({"dict": []}, [], False),
        ({"int": hex(7**5000)}, 7**5000, True),
        ([], {}, False),
        ("ab", ["a", "b"], False),
    ],
)
def test_values(value: object, expected: object, same: bool) -> None:
    assert same_value(plain_value(json.loads(json.dumps(value))), expected) is same


def test_values_within_a_tolerance() -> None:
    assert same_value([0.1 + 0.2], [0.3], tolerance=1e-9)
    assert not same_value([0.1 + 0.2], [0.3])
    assert not same_value([0.31], [0.3], tolerance=1e-9)
    assert same_value(10**6, 1000000.5, tolerance=1e-6)
    assert not same_value(10**6, 10**6 + 1, tolerance=1e-6)  # two integers are never close


@pytest.mark.parametrize("encoded", [{"set": [1]}, {"handle": 0}, {"a": 1, "b": 2}, {}])
def test_what_json_does_not_have_is_no_value(encoded: object) -> None:
    with pytest.raises(ValueError):
        plain_value(encoded)
