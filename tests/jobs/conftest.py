"""Functions of the tests where every worker finds them."""

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # while pytest collects; processes of multiprocessing get the same path


@pytest.fixture(autouse=True)
def errands_importable(monkeypatch):
    """Let processes started from here import `errands`."""
    monkeypatch.setenv("PYTHONPATH", str(HERE) + os.pathsep + os.environ.get("PYTHONPATH", ""))
