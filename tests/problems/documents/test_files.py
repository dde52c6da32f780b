"""Files become documents, or refusals that say why; each once, from any number on, in one order."""

import io
import json
import struct
import tarfile
import zlib
from itertools import islice
from pathlib import Path

import pytest
from PIL import Image

from k15.config.errors import ConfigError
from k15.problems.documents.files import FileDocuments
from k15.problems.documents.hub import OptimizedDocuments, StreamedDocuments
from k15.problems.documents.reading import parts_of
from k15.problems.documents.repetition import Repetition
from k15.problems.documents.shards import ShardDocuments
from k15.problems.documents.source import Refusal
from k15.types import Document


def png(size: tuple[int, int] = (4, 4)) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, "red").save(data, "PNG")
    return data.getvalue()


def wide(pixels: int) -> bytes:
    """A picture whose head says so many pixels each way."""
    data = bytearray(png())
    data[16:24] = struct.pack(">II", pixels, pixels)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


def jsonl(folder: Path, rows: list[dict], name: str = "a.jsonl") -> str:
    file = folder / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


def both(source) -> list:
    """Items of both sides by their numbers."""
    items = [*source.read(0, "train"), *source.read(0, "held_out")]
    return [item for _, item in sorted(items, key=lambda pair: pair[0])]


def test_interleaved_pictures_keep_their_places(tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes(png())
    (tmp_path / "two.png").write_bytes(png((8, 4)))
    row = {"text": "a <image> b <image> c", "images": ["one.png", "two.png"]}
    (item,) = both(FileDocuments(jsonl(tmp_path, [row])))
    assert item.parts == ("a ", None, " b ", None, " c")
    assert [image.size for image in item.images] == [(4, 4), (8, 4)]
    assert parts_of("caption", 1) == (None, "caption")


def test_sides_share_nothing_and_any_number_can_be_begun_at(tmp_path: Path) -> None:
    for file in range(3):
        jsonl(tmp_path, [{"text": f"text {file} {n}"} for n in range(100)], f"{file}.jsonl")
    source = FileDocuments(str(tmp_path))
    train, held_out = ([*source.read(0, side)] for side in ("train", "held_out"))
    numbers = [number for number, _ in train]
    assert numbers == sorted(numbers)
    assert sorted([*numbers, *(number for number, _ in held_out)]) == list(range(300))
    assert 1 <= len(held_out) <= 15  # one in fifty
    assert [*source.read(numbers[140])] == train[140:]
    again = [item.text for _, item in source.read(0, "train", turn=1)]
    assert sorted(again) == sorted(item.text for _, item in train)
    assert again != [item.text for _, item in train]


def test_paragraphs_of_a_plain_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\ntwo\n \nthree\n")
    source = FileDocuments(str(tmp_path / "a.txt"), paragraphs=2, seed=None)
    assert [item.text for item in both(source)] == ["one\n\ntwo", "three"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"text": "  "}, "empty"),
        ({"text": "a", "images": ["gone.png"]}, "missing picture"),
        ({"text": "a", "images": ["torn.jpg"]}, "broken picture"),
        ({"text": "a", "images": ["wide.png"]}, "picture too large"),
        ({"text": "<image> a <image>", "images": ["ok.png"]}, "places and pictures differ"),
        ({"text": "<image 2>", "images": ["ok.png"]}, "places and pictures differ"),
        ({"texts": "a"}, "not a document"),
    ],
)
def test_what_cannot_be_used_is_a_refusal(tmp_path: Path, row: dict, reason: str) -> None:
    (tmp_path / "ok.png").write_bytes(png())
    data = io.BytesIO()
    Image.effect_noise((200, 200), 50).save(data, "JPEG")
    (tmp_path / "torn.jpg").write_bytes(data.getvalue()[:2000])
    (tmp_path / "wide.png").write_bytes(wide(30_000))
    item, other = both(FileDocuments(jsonl(tmp_path, [row, {"text": "fine"}]), seed=None))
    assert isinstance(item, Refusal) and item.reason == reason and not item.filtered
    assert isinstance(other, Document)


def test_filters_and_near_duplicates_say_their_names(tmp_path: Path) -> None:
    text = " ".join(f"word{n}" for n in range(60))
    rows = [{"text": text}, {"text": f"{text} more"}, {"text": "x y\n" * 30}, {"text": "ok"}]
    filters = {"repetition": Repetition()}
    source = FileDocuments(jsonl(tmp_path, rows), seed=None, filters=filters, near_duplicates=0.8)
    found = [getattr(item, "reason", "kept") for item in both(source)]
    assert found == ["kept", "near duplicate", "repetition", "kept"]


def test_a_file_that_disappears_is_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        jsonl(tmp_path, [{"text": f"{name} {n}"} for n in range(60)], f"{name}.jsonl")
    source = FileDocuments(str(tmp_path), seed=None)
    reader = source.read()
    next(reader)
    (tmp_path / "b.jsonl").unlink()
    with pytest.raises(ConfigError, match=r"b\.jsonl was there when training began and is gone"):
        list(reader)
    with pytest.raises(ConfigError, match="no such file"):
        FileDocuments(str(tmp_path / "c.jsonl"))


def shard(file: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(file, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def test_a_tar_files_members_of_one_name_are_one_document(tmp_path: Path) -> None:
    members = {
        "1.png": png(),
        "1.txt": b"a red square",
        "2.0.png": png(),
        "2.1.png": png((8, 8)),
        "2.json": json.dumps({"text": "<image> and <image>"}).encode(),
        "3.png": png(),
    }
    shard(tmp_path / "0.tar", members)
    one, two, three = both(ShardDocuments(str(tmp_path), seed=None))
    assert one.parts == (None, "a red square")
    assert two.parts == (None, " and ", None)
    assert [image.size for image in two.images] == [(4, 4), (8, 8)]
    assert three.reason == "no text"


def test_a_folder_of_paired_files_is_read_alike(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(png())
    (tmp_path / "1.txt").write_text("a red square")
    (item,) = both(ShardDocuments(str(tmp_path)))
    assert item.parts == (None, "a red square") and len(item.images) == 1


def test_a_torn_shard_and_one_that_disappears_are_named(tmp_path: Path) -> None:
    for name in ("0", "1"):
        shard(tmp_path / f"{name}.tar", {f"{n}.txt": b"text %d" % n for n in range(60)})
    source = ShardDocuments(str(tmp_path), seed=None)
    reader = source.read()
    next(reader)
    whole = (tmp_path / "1.tar").read_bytes()
    (tmp_path / "1.tar").write_bytes(whole[:700])
    with pytest.raises(ConfigError, match=r"1\.tar: not a whole tar file"):
        list(reader)
    (tmp_path / "1.tar").unlink()
    with pytest.raises(ConfigError, match=r"1\.tar was there when training began"):
        list(source.read())


def test_a_data_set_is_streamed_from_where_it_was_left(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    folder = tmp_path / "set"
    folder.mkdir()
    jsonl(folder, [{"text": f"text {n}"} for n in range(120)])
    source = StreamedDocuments(str(folder), shuffled=50)
    train = [*source.read()]
    assert 100 < len(train) < 120
    assert [*islice(source.read(train[30][0]), 10)] == train[30:40]


def row_of(number: int) -> dict:
    return {"text": f"text {number}"}


@pytest.mark.slow
def test_what_litdata_has_optimised_is_read_from_where_it_was_left(tmp_path: Path) -> None:
    litdata = pytest.importorskip("litdata")
    folder = str(tmp_path / "optimised")
    litdata.optimize(row_of, list(range(60)), folder, num_workers=1, chunk_bytes="1KB")
    train = [*OptimizedDocuments(folder).read()]
    assert 50 < len(train) <= 60
    assert [*OptimizedDocuments(folder).read(train[20][0])] == train[20:]
