"""Spatial relations: what lies where, worked out from the cells."""

from k15.tasks.spatial import SpatialRelations, direction, nearest


def test_directions_are_seen_from_the_second_thing() -> None:
    """Cells are (column, row): (0, 0) is above and left of (1, 1)."""
    assert direction((0, 0), (1, 1)) == "above left"
    assert direction((3, 1), (1, 1)) == "right"
    assert direction((1, 3), (1, 1)) == "below"
    assert direction((0, 3), (1, 1)) == "below left"


def test_the_nearest_thing_is_one() -> None:
    places = {" a b": (0, 0), " c d": (2, 0), " e f": (1, 1)}
    assert nearest(" a b", places) == "e f"  # 2 < 4
    assert nearest(" a b", {**places, " g h": (1, 1)}) is None


def test_levels() -> None:
    """Level 1 has a row or a column in common, so four answers; 4 has six things."""
    straight = [SpatialRelations(levels=[1]).problem(index) for index in range(100)]
    assert {one.answer for one in straight} == {"left", "right", "above", "below"}
    assert len(SpatialRelations(levels=[2]).problem(0).meta["parts"]["places"]) == 2
    assert len(SpatialRelations(levels=[4]).problem(0).meta["parts"]["places"]) == 6
