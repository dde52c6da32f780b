"""Each figure: its command lines compose, and its finding is what the numbers say."""

import json
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import pytest
from PIL import Image

from k15.config import load
from k15.figures.__main__ import THERE
from k15.figures.fig7 import ALL, Fig7
from k15.figures.fig9 import Fig9
from k15.figures.fig10 import ARMS, Fig10
from k15.figures.figure import Figure
from k15.figures.reading import Estimate, Measured
from k15.figures.runs import Folders


def estimate(value: float, width: float = 0.01) -> Estimate:
    return Estimate(value=value, low=value - width, high=value + width)


def model(accuracy: float, tokens: float) -> dict:
    """As `measured` finds it."""
    return asdict(
        Measured(
            accuracy=estimate(accuracy),
            tokens=estimate(tokens, 0.2),
            efficiency=estimate(100 * accuracy / tokens, 0.05),
            seeds=[(accuracy, tokens)],
            questions=1200,
        )
    )


@pytest.mark.parametrize("name", THERE)
def test_every_command_line_composes(name: str, tmp_path: Path) -> None:
    figure: Figure = import_module(f"k15.figures.{name}").FIGURE
    assert figure.name == name and figure.report
    folders = Folders(tmp_path, figure.runs())
    commands = folders.missing(1)
    assert commands
    for program, words in commands:
        config = load(program.removesuffix(".py"), words)
        common = {run.seed for run in figure.runs()} - {None}
        assert config.seed in {1, *common} and config.run_dir.startswith(str(tmp_path))


def test_fig9_says_whether_the_curriculum_is_above() -> None:
    def numbers(curriculum: float, uniform: float) -> dict:
        return {
            "curriculum": {"after": model(curriculum, 26)},
            "uniform": {"after": model(uniform, 26)},
        }

    assert "curriculum ends above uniform" in Fig9().ours(numbers(0.9, 0.1))
    assert "curriculum ends below uniform" in Fig9().ours(numbers(0.1, 0.9))
    assert "does not end apart from uniform" in Fig9().ours(numbers(0.5, 0.515))


def test_fig10_sets_each_form_of_rest_beside_mirror_descent() -> None:
    values = {"mirror": 0.95, "mirror-once": 0.90, "rest": 0.90, "rest-once": 0.91}
    assert {f"fig10-{arm}" for arm in values} == {*ARMS}
    found = {f"fig10-{arm}": {"after": model(value, 20)} for arm, value in values.items()}
    said = Fig10().ours(found)
    assert "three epochs: mirror descent 0.950 (0.940 to 0.960) above ReST 0.900" in said
    assert "one epoch: mirror descent 0.900 (0.890 to 0.910) level with ReST 0.910" in said
    found["fig10-rest-once"] = {"after": model(0.93, 20)}
    assert "0.910) below ReST 0.930" in Fig10().ours(found)


def test_fig7_names_the_most_efficient_and_whether_the_aim_is_met() -> None:
    """0.98 of 1.00 is 98 %, 18 of 36 tokens are 50 %; DPO has 97/20 = 4.85 right per 100."""
    found = dict(
        zip(
            ALL,
            [model(1.0, 36), model(0.5, 30), model(0.99, 30), model(0.97, 20), model(0.98, 18)],
            strict=True,
        )
    )
    said = Fig7().ours(found)
    assert said.startswith("long2short RL is the most token-efficient, before DPO (5.44 and 4.85")
    assert "keeps 98% of the long accuracy at 50% of the tokens" in said and "is met" in said
    found["fig7-rl"] = model(0.9, 18)
    said = Fig7().ours(found)
    assert "keeps 90%" in said and "is not met" in said
    assert Fig7().table(found).splitlines()[2].startswith("| long | 1.000 (0.990 to 1.010) | 36.0")


def test_a_figure_is_a_picture_and_its_numbers(tmp_path: Path) -> None:
    """The two findings stand in both."""

    class Drawn(Fig7):
        def numbers(self, where) -> dict:
            return {run: model(0.5, 30) for run in ALL}

    (tmp_path / "figures").mkdir()
    said = Drawn().write(Folders(tmp_path, Drawn().runs()), [1])
    content = json.loads((tmp_path / "figures" / "fig7.json").read_text())
    assert content["seeds"] == [1] and content["ours"] in said and content["report"] in said
    picture = Image.open(tmp_path / "figures" / "fig7.png")
    assert picture.size[0] > 500 and len(picture.convert("L").getcolors()) > 10
