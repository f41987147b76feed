"""Basins, glaciers and irrigated land of the Aral Sea basin, as numbers both sides of a table can repeat.

The floors, each knowing one thing more and importing downwards only: ``kernels`` (numbers in a
grid), ``geo`` (where on Earth), ``analyses`` (what the question means) beside ``archive`` (files),
``jobs`` (many runs) and ``maps`` (look), then ``workflows`` (the order of the steps) and ``cli``.
Nothing is imported here, so that the command starts at once.
"""

__version__ = "0.1.0"
