"""Pictures of records: every way of holding one, what is refused, and where they stand."""

import base64
import json
import struct
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from k15.problems.pictures import Picture, in_order, picture, placed
from k15.problems.record_source import RecordSource
from k15.problems.rows import Row

IMAGE = {"type": "image"}


def png(colour: str = "red", size: tuple[int, int] = (3, 2), mode: str = "RGB") -> bytes:
    buffer = BytesIO()
    Image.new(mode, size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def noise() -> bytes:
    buffer = BytesIO()
    Image.effect_noise((64, 64), 50).save(buffer, "PNG")
    return buffer.getvalue()


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def huge(width: int, height: int) -> bytes:
    """A PNG that says that it is that large, and is not."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def found(given: object, folder: Path) -> Picture:
    return picture(
        given, Row("rows:1", {"image": given}), "image", folder=folder, label="problem 1"
    )


def test_every_way_of_holding_a_picture_gives_the_same(tmp_path: Path) -> None:
    data, coded = png(), base64.b64encode(png()).decode()
    (tmp_path / "a.png").write_bytes(data)
    for given in (
        "a.png",
        "a.jpg",
        str(tmp_path / "a.png"),
        data,
        {"bytes": data, "path": None},
        {"bytes": None, "path": "a.png"},
        {"bytes": coded},
        coded,
        f"data:image/png;base64,{coded}",
        Image.open(BytesIO(data)),
    ):
        one = found(given, tmp_path)
        one.check()
        assert (one.load().size, one.load().getpixel((0, 0))) == ((3, 2), (255, 0, 0))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("absent.png", r"problem 1: .*/absent\.png: no such file"),
        ("a\0b", "no such file"),
        ("x" * 300, "no such file"),
        ("folder", r"problem 1: .*/folder: no such file"),
        (noise()[:-900], "problem 1: the picture in rows:1: cannot be read as a picture"),
        (b"GIF89a", "cannot be read as a picture"),
        (b"no picture", "cannot be read as a picture"),
        (huge(20_000, 20_000), "cannot be read as a picture .*exceeds limit"),
        (huge(9_000, 9_000), r"9000 x 9000 pixels; scale it down to 67,108,864 at most"),
        (huge(0, 5), "cannot be read as a picture"),
        ("iVBORw0KGgo" + "!" * 60, "cannot be read as a picture|must be the name"),
        ("data:image/png;base64," + "A" * 61, "cannot be read as a picture|must be the name"),
        ("x" * 10**6, r"rows:1: field 'image' must be the name of a file.*\.\.\. \(text\)"),
        ("", "rows:1: field 'image' must be the name of a file or the bytes of a picture"),
        (b"", "field 'image' must be"),
        (5, "field 'image' must be"),
        ({"bytes": None, "path": None}, "field 'image' must be"),
        (["a.png"], r"field 'image' must be .*\(a list\)"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(tmp_path: Path, given: object, message: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match=message) as caught:
        found(given, tmp_path).check()
    assert len(str(caught.value)) < 600


def test_one_pixel_is_a_picture() -> None:
    one = Picture(png(size=(1, 1)), "here")
    one.check()
    assert one.load().size == (1, 1)


@pytest.mark.parametrize(
    ("words", "pictures", "content"),
    [
        ("Why?", 1, [IMAGE, text("Why?")]),
        ("Why?", 2, [IMAGE, IMAGE, text("Why?")]),
        ("<image>Why?", 1, [IMAGE, text("Why?")]),
        ("Why? <image>", 1, [text("Why? "), IMAGE]),
        ("Is <image 2> over <Image_1>?", 2,
         [text("Is "), IMAGE, text(" over "), IMAGE, text("?")]),
        ("<image><image> Why?", 2, [IMAGE, IMAGE, text("Why?")]),
        ("Why <image1>?", 0, "Why ?"),
        ("a<image>b", 1, [text("a"), IMAGE, text("b")]),
    ],
)  # fmt: skip
def test_a_picture_stands_where_its_tag_does_or_first(words, pictures, content) -> None:
    assert placed(words, pictures) == content


def test_one_tag_per_picture_or_none() -> None:
    for words, pictures in (("<image> <image>", 1), ("<image 1>", 2), ("<image>" * 3, 2)):
        with pytest.raises(ValueError, match=rf"places for pictures .* has {pictures} of them"):
            placed(words, pictures)
    assert placed("<image1> and <image3>", 1, composite=True) == [IMAGE, text("and")]


def test_numbered_tags_order_the_pictures() -> None:
    assert in_order("<image 2>, <image1>, <image 2>", "ab") == ["b", "a", "b"]
    assert in_order("<image> <image>", "ab") == in_order("Why?", "ab") == ["a", "b"]
    for words in ("<image 3>", "<image 0>"):
        with pytest.raises(ValueError, match=r"its text names picture . .* of 2"):
            in_order(words, "ab")


def source(folder: Path, *rows: dict) -> RecordSource:
    file, other = folder / "rows.jsonl", folder / "other.jsonl"
    other.write_text('{"problem": "2+2?", "answer": 4}\n')
    lines = [
        {"id": str(n), "problem": "How? <image>", "answer": "1"} | r for n, r in enumerate(rows)
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return RecordSource(str(file), held_out_path=str(other), fields={"images": "images"})


def test_records_to_train_on_have_pictures_too(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png((0, 0, 0, 0), mode="RGBA"))  # type: ignore[arg-type]
    two = {
        "problem": "Is <image 2> over <image 1>?",
        "images": ["a.png", {"bytes": None, "path": "b.png"}],
    }
    (tmp_path / "b.png").write_bytes(png())
    one, both, none = source(tmp_path, {"images": "a.png"}, two, {"problem": "1+1?"}).train
    assert one.prompt[0]["content"] == [text("How? "), IMAGE]
    assert [image.getpixel((0, 0)) for image in one.images] == [(255, 255, 255)]
    assert [image.getpixel((0, 0)) for image in both.images] == [(255, 0, 0), (255, 255, 255)]
    assert (none.images, none.prompt[0]["content"]) == ((), "1+1?")


def test_pictures_are_decoded_when_they_are_looked_at_and_then_kept(tmp_path: Path) -> None:
    """At the start the file has to be there with the head of a picture."""
    (tmp_path / "a.png").write_bytes(noise()[:-900])
    [problem] = source(tmp_path, {"images": "a.png"}).train
    assert len(problem.images) == 1
    with pytest.raises(ValueError, match=r"problem 0: .*/a\.png: cannot be read as a picture"):
        problem.images[0].load()
    (tmp_path / "b.png").write_bytes(png())
    [problem] = source(tmp_path, {"images": "b.png"}).train
    assert problem.images[0] is problem.images[0]


def test_pictures_with_one_text_are_different_questions(tmp_path: Path) -> None:
    """One in ten of 200 pictures is held out; the same picture twice is on one side."""
    colours = [(n, 0, 0) for n in range(200)]
    for n, colour in enumerate(colours):
        (tmp_path / f"{n}.png").write_bytes(png(colour))  # type: ignore[arg-type]
    file = tmp_path / "rows.jsonl"
    lines = [{"problem": "How?", "answer": "1", "image": f"{n % 200}.png"} for n in range(400)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    made = RecordSource(str(file), fields={"images": "image"})
    sides = [{p.images[0].getpixel((0, 0)) for p in side} for side in (made.train, made.held_out)]
    assert not sides[0] & sides[1] and len(sides[0] | sides[1]) == 200
    assert 8 <= len(sides[1]) <= 33 and len(made.held_out) == 2 * len(sides[1])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"images": ["a.png", "a.png"]}, "rows.jsonl:1: problem 0: its text has 1 places for pict"),
        ({"images": "b.png"}, r"problem 0: .*/b\.png: no such file"),
        ({"images": 5}, "rows.jsonl:1: field 'images' must be the name of a file"),
        ({"images": [["a.png"]]}, "rows.jsonl:1: field 'images' must be the name of a file"),
    ],
)
def test_records_with_unusable_pictures_are_refused(tmp_path: Path, row, message) -> None:
    (tmp_path / "a.png").write_bytes(png())
    with pytest.raises(ValueError, match=message):
        source(tmp_path, row)
