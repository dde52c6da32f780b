import os
import subprocess
import sys

import pytest

from k15.sandbox.images import of_folder, of_host


def test_folders_that_everybody_may_write_to_are_closed(tmp_path):
    image = tmp_path / "image"
    for name, mode in {
        "tmp": 0o1777,
        "var/tmp": 0o1777,
        "run/lock": 0o777,
        "usr/bin": 0o755,
        "home/user": 0o700,
    }.items():
        (image / name).mkdir(parents=True)
        (image / name).chmod(mode)
    (image / "usr/bin/python3").touch()
    (image / "usr/bin/g++").symlink_to("/nowhere/g++-12")  # as it is in an image: absolute
    (image / "var/run").symlink_to("/run")
    found = of_folder(image)
    assert sorted(found.closed) == ["/run/lock", "/var/tmp"]
    assert found.has("g++") and not found.has("javac")


def test_a_folder_that_is_no_image_names_the_command(tmp_path):
    with pytest.raises(ValueError, match=r"no usr/bin/python3.*k15\.sandbox\.images build"):
        of_folder(tmp_path)


def test_the_host_is_shown_without_its_accounts_and_homes(tmp_path):
    library = tmp_path / "opt/python/lib"
    library.mkdir(parents=True)
    tree = tmp_path / "tree"
    tree.mkdir()
    image = of_host(tree, "/usr/bin/python3", [str(library)])
    assert image.binds[str(library)] == str(library)
    assert "/usr" in image.binds and "/etc" not in image.binds
    assert "shadow" not in os.listdir(tree / "etc")
    assert (tree / "etc/passwd").read_text().count("\n") == 1  # the user inside
    parent = tree / str(library.parent)[1:]
    assert parent.stat().st_mode & 0o777 == 0o711  # to be passed through, not to be listed


def test_an_unknown_language_is_refused_before_anything_is_made(tmp_path):
    command = [sys.executable, "-m", "k15.sandbox.images", "build", str(tmp_path / "x")]
    ended = subprocess.run(
        [*command, "--languages", "python,cobol"], capture_output=True, text=True
    )
    assert ended.returncode == 2 and "--languages cobol: choose of python, cpp" in ended.stderr
    assert not (tmp_path / "x").exists()
