"""The guard itself: a pure test that reaches outside fails."""

from __future__ import annotations

import os
import socket
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st


def test_a_file_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="open"):
        (tmp_path / "x").write_text("x")


def test_a_file_cannot_be_read() -> None:
    with pytest.raises(pytest.fail.Exception, match="open"):
        Path("/etc/hosts").read_text()


def test_a_descriptor_cannot_be_opened() -> None:
    with pytest.raises(pytest.fail.Exception, match="open"):
        os.open("/tmp/x", os.O_RDONLY)


def test_a_socket_cannot_connect() -> None:
    with socket.socket() as sock, pytest.raises(pytest.fail.Exception, match="connect"):
        sock.connect(("127.0.0.1", 9))


@given(st.text())
def test_hypothesis_and_lazy_imports_still_work(text: str) -> None:
    assert import_module("colorsys") is not None
    assert text == text[:]
