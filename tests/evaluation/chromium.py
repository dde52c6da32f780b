"""Headless Chromium as the system has it, driven by Playwright."""

import shutil

import pytest
from playwright.sync_api import Browser, Playwright

INSTALL = "needs Chromium: apt-get install -y chromium"


def launch(play: Playwright) -> Browser:
    """Start it without a network; skips the test where there is none."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip(INSTALL)
    return play.chromium.launch(executable_path=program, args=["--no-sandbox"])
