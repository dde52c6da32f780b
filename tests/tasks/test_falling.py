"""A ball on ramps: its way, worked out by hand."""

from k15.tasks.falling import LEFT, RIGHT, FallingBall, fall


def test_ramps_move_the_ball_and_walls_do_not_let_it_out() -> None:
    r"""A field:

    . . ● .     column 2 (from 0)
    . . / .  -> 1
    . \ . .  -> 2
    . . \ .  -> 3
    . . . \  -> 3, the wall
    """
    ramps = {(0, 2): LEFT, (1, 1): RIGHT, (2, 2): RIGHT, (3, 3): RIGHT}
    assert fall(2, ramps) == [2, 1, 2, 3, 3]
    assert fall(0, ramps) == [0] * 5
    assert fall(0, {(0, 0): LEFT}) == [0] * 5


def test_the_ball_mostly_lands_elsewhere() -> None:
    """Who answers where it was is right in less than half of the cases."""
    for level in (1, 5):
        task = FallingBall(levels=[level], modality="text")
        problems = [task.problem(index) for index in range(200)]
        stays = sum(int(str(p.answer)) == p.meta["parts"]["start"] + 1 for p in problems)
        assert stays < 100
