"""A run folder as an evaluation leaves it, of invented problems and an invented model.

    python tests/evaluation/example_run.py FOLDER [SCREENSHOT.png]

writes FOLDER and its report; with a second name, a picture of it in Chromium.
"""

import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from PIL import Image, ImageDraw

from k15.evaluation.benchmark import Benchmark
from k15.evaluation.problems_file import read_problems, write_problems
from k15.evaluation.report import write_report
from k15.evaluation.results import graded_samples, results, ungraded_responses, write_results
from k15.evaluation.samples import Response, Sample
from k15.graders.base import Verdict
from k15.journal import Journal
from k15.types import Problem

SKILL = {"direct": 0.45, "cot": 0.68, "long_cot": 0.84}
LENGTH = {"direct": 40, "cot": 330, "long_cot": 980}


class Invented(Benchmark):
    """Problems made by a function of a number; right is what ends in the reference answer."""

    def __init__(self, name: str, size: int, make: Callable[[int, Random], Problem], **how: object):
        self.name, self.size, self.make = name, size, make
        super().__init__(temperature=1.0, **how)  # type: ignore[arg-type]

    def problems(self) -> list[Problem]:
        return [self.make(number, Random(number)) for number in range(self.size)]

    def grade(self, problem: Problem, response: str) -> Verdict:
        if "\\boxed{" not in response:
            return Verdict(correct=0, extracted=None, how="no \\boxed{} in the response")
        answer = response.rpartition("\\boxed{")[2].rpartition("}")[0]
        right = answer == problem.answer
        how = "the same text" if right else "not the text of the reference"
        return Verdict(correct=float(right), extracted=answer, how=how)


def quadratic(number: int, rng: Random) -> Problem:
    p, q = sorted(rng.sample(range(2, 13), 2))
    text = f"The roots of $x^2 - {p + q}x + {p * q} = 0$ are $r < s$. Find $\\dfrac{{r}}{{s}}$."
    return Problem(
        id=f"quadratic-{number:03}",
        prompt=({"role": "user", "content": text},),
        answer=f"\\frac{{{p}}}{{{q}}}",
        meta={"topic": "fractions" if p * q < 40 else "large coefficients", "p": p, "q": q},
    )


def triangle(number: int, rng: Random) -> Problem:
    p, q = rng.randint(3, 9), rng.randint(3, 9)
    picture = Image.new("RGB", (440, 300), "white")
    draw = ImageDraw.Draw(picture)
    draw.polygon([(60, 250), (60 + 40 * q, 250), (60, 250 - 25 * p)], "#dce9f2", "#1d2226", 3)
    draw.rectangle((60, 232, 78, 250), outline="#1d2226", width=2)
    draw.text((30, 240 - 12 * p), str(p), "#1d2226", font_size=24)
    draw.text((52 + 20 * q, 258), str(q), "#1d2226", font_size=24)
    content = [
        {"type": "image"},
        {"type": "text", "text": "What is the area $A$ of the triangle? Two sides are given."},
    ]
    return Problem(
        id=f"triangle-{number:03}",
        prompt=({"role": "user", "content": content},),
        images=(picture,),
        answer=str(p * q / 2).removesuffix(".0"),
        meta={"task": "geometry", "skills": ["area", "reading"], "p": p, "q": q},
    )


def bars(number: int, rng: Random) -> Problem:
    if number % 2:
        return triangle(number, rng)
    values = [rng.randint(2, 9) for _ in range(4)]
    picture = Image.new("RGB", (440, 300), "white")
    draw = ImageDraw.Draw(picture)
    for at, value in enumerate(values):
        draw.rectangle((50 + 95 * at, 260 - 25 * value, 110 + 95 * at, 260), "#7fa6c0")
        draw.text((70 + 95 * at, 266), "ABCD"[at], "#1d2226", font_size=22)
        draw.text((70 + 95 * at, 232 - 25 * value), str(value), "#1d2226", font_size=22)
    text = "By how much does the tallest bar exceed the lowest one: what is $\\max - \\min$?"
    return Problem(
        id=f"bars-{number:03}",
        prompt=({"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]},),
        images=(picture,),
        answer=str(max(values) - min(values)),
        meta={"task": "charts", "skills": ["reading"], "p": max(values), "q": min(values)},
    )


def market(number: int, rng: Random) -> Problem:
    p, q = rng.randint(3, 9), rng.randint(4, 19)
    text = f"小红买了{p}个苹果，每个{q}元，她付了200元，应找回多少元？"
    return Problem(
        id=f"应用题-{number:03}",
        prompt=({"role": "user", "content": text},),
        answer=str(200 - p * q),
        meta={"p": p, "q": q},
    )


def benchmarks() -> dict[str, Benchmark]:
    algebra = Invented(
        "algebra", 40, quadratic, samples=4, max_response_tokens=1500, pass_at=[4], majority_at=[4]
    )
    figures = Invented("figures", 30, bars, samples=2, max_response_tokens=1500, pass_at=[2])
    chinese = Invented("应用题", 30, market, samples=2, max_response_tokens=1500, pass_at=[2])
    algebra.groups, figures.groups = ("topic",), ("task", "skills")
    return {benchmark.name: benchmark for benchmark in (algebra, figures, chinese)}


def reasoning(problem: Problem, steps: int) -> str:
    p, q = problem.meta["p"], problem.meta["q"]
    if problem.id.startswith("应用题"):
        rest = f"$200 - {p * q} = {200 - p * q}$"
        line = f"苹果一共 ${p} \\times {q} = {p * q}$ 元，所以找回 {rest} 元。"
    elif problem.id.startswith("quadratic"):
        line = (
            f"By Vieta, $r + s = {p + q}$ and $rs = {p * q}$, so\n"
            f"\\[x = \\frac{{{p + q} \\pm \\sqrt{{{p + q}^2 - 4 \\cdot {p * q}}}}}{{2}} "
            f"= \\frac{{{p + q} \\pm {q - p}}}{{2}}.\\]"
        )
    else:
        area = f"A = \\frac{{{p} \\cdot {q}}}{{2}} = {p * q / 2:g}"
        formula = f"{p} - {q} = {p - q}" if problem.id.startswith("bars") else area
        line = f"From the picture I read ${p}$ and ${q}$, which gives\n\\[{formula}.\\]"
    checks = [
        f"Check {step}: putting the values in again gives the same." for step in range(1, steps + 1)
    ]
    return "\n\n".join([line, *checks])


def respond(problem: Problem, prompting: str, skill: float, rng: Random) -> tuple[str, int, str]:
    tokens = int(LENGTH[prompting] * rng.lognormvariate(0, 0.45))
    hard = Random(problem.id).uniform(-0.4, 0.4)
    right = rng.random() < min(0.98, max(0.02, skill - hard))
    wrong = f"\\frac{{{problem.meta['q']}}}{{{problem.meta['p']}}}"
    text = "" if prompting == "direct" else reasoning(problem, tokens // 150)
    if tokens > 1500:
        return text, 1500, "length"
    return f"{text}\n\n\\boxed{{{problem.answer if right else wrong}}}".strip(), tokens, "stop"


def write_run(
    run_dir: Path,
    promptings: Sequence[str] = tuple(SKILL),
    better: float = 0.0,
    limit: int | None = None,
) -> Path:
    """Fill a run folder; `better` is added to the invented skill."""
    run_dir.mkdir(parents=True, exist_ok=True)
    chosen = benchmarks()
    responses = Journal(run_dir / "responses.jsonl")
    samples = Journal(run_dir / "samples.jsonl")
    for name, benchmark in chosen.items():
        problems = benchmark.problems()[:limit]
        write_problems(run_dir, name, benchmark, problems)
        for prompting in promptings:
            for problem in problems:
                for index in range(benchmark.samples):
                    rng = Random(f"{name} {prompting} {problem.id} {index} {better}")
                    key = (name, prompting, problem.id, index)
                    text, tokens, finish = respond(
                        problem, prompting, SKILL[prompting] + better, rng
                    )
                    response = Response.at(key, text, tokens, finish)
                    responses.append(response)
                    if key != ("figures", "cot", "bars-004", 1):  # one grader broke
                        samples.append(graded(response, benchmark.grade(problem, text)))
    responses.close()
    samples.close()
    score(run_dir)
    return run_dir


def graded(response: Response, verdict: Verdict) -> Sample:
    return Sample(
        **{name: getattr(response, name) for name in Response.__dataclass_fields__},
        extracted=verdict.extracted,
        correct=verdict.correct,
        how=verdict.how,
    )


def score(run_dir: Path) -> None:
    found = results(
        graded_samples(run_dir),
        read_problems(run_dir),
        benchmarks(),
        model="example",
        settings={"seed": 0, "note": "invented problems, invented answers"},
        ungraded=ungraded_responses(run_dir),
    )
    write_results(run_dir, found)


def screenshot(report: Path, picture: Path) -> None:
    """The head of the report and its samples, one above the other."""
    from playwright.sync_api import sync_playwright

    from tests.evaluation.chromium import launch

    with sync_playwright() as play, launch(play) as browser:
        page = browser.new_page(viewport={"width": 1240, "height": 960}, color_scheme="light")
        page.goto(report.resolve().as_uri())
        head = page.locator("#scatter").bounding_box()
        assert head
        height = int(head["y"] + head["height"]) + 30
        clip = {"x": 0, "y": 0, "width": 1240, "height": height}
        shots = [page.screenshot(full_page=True, clip=clip)]
        page.select_option("#filter-benchmark", "figures")
        page.select_option("#filter-prompting", "cot")
        page.click("#filter-disagreeing")
        page.evaluate("document.getElementById('samples').scrollIntoView()")
        shots.append(page.screenshot())
    images = [Image.open(io.BytesIO(shot)).convert("RGB") for shot in shots]
    whole = Image.new("RGB", (1240, sum(image.height for image in images)))
    whole.paste(images[0])
    whole.paste(images[1], (0, images[0].height))
    whole.quantize(128).save(picture, optimize=True)


if __name__ == "__main__":
    report = write_report(write_run(Path(sys.argv[1])))
    if len(sys.argv) > 2:
        screenshot(report, Path(sys.argv[2]))
