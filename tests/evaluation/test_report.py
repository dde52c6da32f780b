"""report.html and compare.html in a real browser without a network."""

import itertools
import json
import re

import pytest
from playwright.sync_api import expect, sync_playwright

from k15.evaluation.compare import write_comparison
from k15.evaluation.page import embedded
from k15.evaluation.problems_file import read_problems
from k15.evaluation.report import read_run, write_report
from k15.evaluation.samples import Sample
from k15.journal import Journal
from tests.evaluation import example_run
from tests.evaluation.chromium import launch

ATTACK = (
    "</script><script>window.broken = 1</script><img src=x onerror='window.broken = 2'>"
    r"<!-- <script> $\text{<img src=x onerror='window.broken = 3'>}$ `<b>bold</b>`"
)


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as play, launch(play) as browser:
        yield browser


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The example with one more sample, whose response wants to break out."""
    folder = example_run.write_run(tmp_path_factory.mktemp("runs") / "example")
    attack = Sample(
        benchmark="algebra",
        prompting="cot",
        id="quadratic-000",
        index=9,
        response=ATTACK,
        tokens=5,
        finish="stop",
        extracted=ATTACK,
        correct=0.0,
        how=ATTACK,
    )
    journal = Journal(folder / "samples.jsonl")
    journal.append(attack)
    journal.close()
    write_report(folder)
    return folder


@pytest.fixture(scope="module")
def tab(browser):
    page = browser.new_page(viewport={"width": 1240, "height": 900})
    yield page, itertools.count()
    page.close()


@pytest.fixture
def page(tab, run):
    """The report, newly opened."""
    page, times = tab
    page.goto(f"{(run / 'report.html').as_uri()}?{next(times)}")
    return page


def shown(page):
    """Samples that pass the filters, as the page counts them."""
    return int(page.locator("#count").inner_text().split(" ")[0].replace(",", ""))


def test_the_page_loads_nothing_and_complains_of_nothing(browser, run):
    page = browser.new_page()
    requests, complaints = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((run / "report.html").as_uri())
    page.click("#list .row >> nth=5")
    assert complaints == []
    assert [url for url in requests if not url.startswith(("data:", "file:"))] == []
    assert len([url for url in requests if url.startswith("file:")]) == 1
    page.close()


def test_scores_and_charts_are_those_of_the_run(page, run):
    scores = json.loads((run / "results.json").read_text())["scores"]
    rows = page.locator("#scores tbody tr").all_inner_texts()
    assert len(rows) == len(scores) == 9
    accuracy = 100 * scores[3]["metrics"]["accuracy"]["value"]
    assert re.search(rf"figures\s+direct\s+30 × 2\s+{accuracy:.1f}\s", rows[3])
    assert page.locator("#scatter .pick").count() == 9
    assert page.locator("#lengths .panel").count() == 9
    assert page.locator("#groups figure").count() == 3  # topic; task and skills


def test_filters_show_the_samples_they_name(page, run):
    samples = read_run(run).samples
    assert shown(page) == len(samples)
    page.click("#filter-wrong")
    assert shown(page) == sum(not sample.correct for sample in samples)
    assert page.locator("#list .badge.right").count() == 0
    page.click("#filter-truncated")
    assert shown(page) == sum(s.finish == "length" and not s.correct for s in samples)
    assert page.locator("#detail .badge.cut").is_visible()
    page.click("#filter-wrong")
    page.click("#filter-truncated")
    page.click("#filter-disagreeing")
    groups = {}
    for sample in samples:
        groups.setdefault((sample.benchmark, sample.prompting, sample.id), []).append(
            sample.correct
        )
    assert shown(page) == sum(len(own) for own in groups.values() if len(set(own)) > 1) > 0
    page.select_option("#filter-benchmark", "应用题")
    page.select_option("#filter-prompting", "cot")
    wanted = [own for key, own in groups.items() if key[:2] == ("应用题", "cot")]
    assert shown(page) == sum(len(own) for own in wanted if len(set(own)) > 1) > 0


def test_words_are_searched_and_nothing_found_is_said(page):
    page.fill("#filter-words", "quadratic-007")
    expect(page.locator("#count")).to_have_text(re.compile("^12 of "))
    page.fill("#filter-words", "no such words")
    expect(page.locator("#count")).to_have_text(re.compile("^0 of "))
    assert "No sample" in page.locator("#detail").inner_text()


def test_a_mark_of_the_scatter_shows_its_samples(page):
    page.locator("#scatter .pick").nth(4).focus()
    page.keyboard.press("Enter")
    assert shown(page) == 59  # figures, cot: 30 problems x 2, one grader broke
    assert page.locator("#filter-benchmark").input_value() == "figures"


def test_formulas_are_drawn(page):
    page.goto(f"{page.url}#0/algebra/cot/quadratic-002/0")
    formulas = page.locator("#detail math")
    assert formulas.count() > 4
    fraction = page.locator("#detail .question mfrac").bounding_box()
    line = page.locator("#detail .question mi").first.bounding_box()
    assert fraction["height"] > 1.5 * line["height"]  # r over s, not r beside s
    assert page.locator("#detail .response math[display=block] msqrt").first.is_visible()


def test_pictures_are_drawn(page):
    page.goto(f"{page.url}#0/figures/cot/bars-002/0")
    picture = page.locator("#detail img")
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 440
    assert picture.bounding_box()["height"] > 200


def test_chinese_text_is_there(page):
    page.goto(f"{page.url}#0/{'应用题'}/cot/{'应用题-003'}/0")
    assert "应找回多少元" in page.locator("#detail .question").inner_text()


def test_keys_move_between_samples(page):
    names = page.locator("#list .row .name").all_inner_texts()

    def chosen():
        return page.locator("#list .row[aria-selected=true] .name").inner_text()

    assert chosen() == names[0]
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert chosen() == names[1] and page.url.endswith("#0/algebra/direct/quadratic-000/1")
    page.focus("#list")
    page.keyboard.press("ArrowDown")
    assert chosen() == names[2]
    page.focus("#filter-words")
    page.keyboard.press("j")
    assert chosen() == names[2] and page.locator("#filter-words").input_value() == "j"


def test_long_lists_come_in_pages(page):
    assert page.locator("#list .row").count() == 200
    page.click("text=Next")
    assert "page 2 of" in page.locator(".pages").inner_text()
    row = page.locator("#list .row[aria-selected=true]").bounding_box()
    frame = page.locator("#list").bounding_box()
    assert frame["y"] - 1 <= row["y"] < frame["y"] + frame["height"]


def test_the_source_of_a_response_can_be_seen(page, run):
    page.goto(f"{page.url}#0/algebra/cot/quadratic-002/0")
    page.click("#raw")
    (text,) = (
        sample.response
        for sample in read_run(run).samples
        if sample.key == ("algebra", "cot", "quadratic-002", 0)
    )
    assert page.locator(".response").text_content() == text


def test_a_response_cannot_break_out(page):
    page.goto(f"{page.url}#0/algebra/cot/quadratic-000/9")
    assert page.locator(".response").text_content() == ATTACK.replace("`", "").replace(
        r"$\text{<img src=x onerror='window.broken = 3'>}$",
        "<img\xa0src=x\xa0onerror='window.broken\xa0=\xa03'>",
    )
    assert page.locator("#detail img").count() == 0
    assert page.evaluate("window.broken === undefined")


def test_the_policy_of_the_page_stops_foreign_script(page):
    """Also what got into the document itself would not run."""
    page.evaluate("""() => {
        document.body.insertAdjacentHTML("beforeend", "<p id=foreign onclick='window.broken = 1'>");
        document.getElementById("foreign").click();
        const script = document.createElement("script");
        script.text = "window.broken = 2";
        document.head.append(script);
    }""")
    assert page.evaluate("window.broken === undefined")


def background(page):
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", colour)[:3]))


def test_light_and_dark_follow_the_system_until_chosen(page):
    page.emulate_media(color_scheme="dark")
    assert background(page) < 150
    page.select_option("#theme", "light")
    assert background(page) > 700
    page.reload()
    assert background(page) > 700 and page.locator("#theme").input_value() == "light"
    page.select_option("#theme", "")
    page.emulate_media(color_scheme="light")
    assert background(page) > 700


@pytest.mark.parametrize("width", [400, 800])
def test_a_narrow_screen_needs_no_scrolling_sideways(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{page.url}#0/algebra/long_cot/quadratic-000/0")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.set_viewport_size({"width": 1240, "height": 900})


def test_runs_side_by_side(browser, run, tmp_path):
    other = example_run.write_run(tmp_path / "other", ["cot"], better=0.3, limit=5)
    found = write_comparison([run, other], tmp_path)
    page = browser.new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((tmp_path / "compare.html").as_uri())
    rows = page.locator("#comparison tbody tr").all_inner_texts()
    assert len(rows) == len(found["pairs"]) == 3
    assert [pair["problems"] for pair in found["pairs"]] == [5, 5, 5]
    assert f"{100 * found['pairs'][0]['difference']['value']:+.1f}" in rows[0]
    page.select_option("#filter-run", "1")
    assert shown(page) == len(read_run(other).samples)
    assert complaints == []
    page.close()


def test_a_run_with_hardly_anything_in_it_can_be_read(browser, tmp_path):
    """One given response without tokens or an answer; every other grader broke; no reference."""
    example_run.write_run(tmp_path, ["cot"], limit=1)
    (line, *_) = (tmp_path / "samples.jsonl").read_text().splitlines()
    bare = {"tokens": 0, "response": "", "extracted": None, "finish": "given", "correct": 0.0}
    (tmp_path / "samples.jsonl").write_text(json.dumps({**json.loads(line), **bare}) + "\n")
    rows = [{**row, "answer": None, "groups": {}} for row in read_problems(tmp_path)]
    (tmp_path / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    example_run.score(tmp_path)
    page = browser.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(write_report(tmp_path).as_uri())
    assert page.locator("#scores tbody tr").count() == 3
    assert shown(page) == 1 and "no answer found" in page.locator("#detail").inner_text()
    assert page.locator("#scatter").is_hidden() and page.locator("#groups").is_hidden()
    (tmp_path / "samples.jsonl").write_text("")
    example_run.score(tmp_path)
    page.goto(write_report(tmp_path).as_uri())
    assert "No sample" in page.locator("#detail").inner_text()
    assert complaints == []
    page.close()


def test_embedded_json_is_the_same_json_and_ends_nothing():
    data = {"a": ["</script>", "<!--", "<script>", "é\u2028"]}
    text = embedded(data)
    assert "</" not in text and "<!" not in text
    assert json.loads(text) == data


def test_samples_of_a_problem_that_is_not_in_the_folder_are_refused(run, tmp_path):
    for name in ("samples.jsonl", "results.json"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    with pytest.raises(ValueError, match=r"sample of problem .* evaluate into a new folder"):
        write_report(tmp_path)
