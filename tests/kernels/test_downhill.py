"""What sources hand down is used once, downwards only, and never through walls."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bluepeace_gis.kernels import downhill
from bluepeace_gis.kernels.downhill import SOURCE, TAKER, WALL, fed

KERNELS = pytest.mark.parametrize("kernel", [fed, fed.py_func], ids=["compiled", "python"])


def asked(kernel, z, kind, *, roof=1e9, gain=1.0, least=1.0):
    """Ask within high walls, so that nothing leaves over the rim."""
    z = np.pad(np.array(z, np.float32), 1, constant_values=99)
    kind = np.pad(np.array(kind, np.uint8), 1, constant_values=WALL)
    return kernel(z, kind, np.full(z.shape, roof, np.float32), gain, least)[1:-1, 1:-1].tolist()


@KERNELS
def test_takers_below_use_up_what_sources_add(kernel):
    # 9 8 7 6 5 4: two sources feed two cells below them, none above
    line, kind = [[9, 8, 7, 6, 5, 4]], [[TAKER, SOURCE, SOURCE, TAKER, TAKER, TAKER]]
    assert asked(kernel, line, kind) == [[0, 0, 0, 1, 1, 0]]
    assert asked(kernel, line, kind, gain=0.5) == [[0, 0, 0, 1, 0, 0]]
    assert asked(kernel, line, kind, gain=2.0, least=2.0) == [[0, 0, 0, 1, 1, 1]]
    assert asked(kernel, line, kind, gain=2.0, least=4.5) == [[0, 0, 0, 0, 0, 0]]


@KERNELS
def test_walls_stop_it_and_the_roof_bounds_it(kernel):
    line = [[9, 8, 7, 6, 5, 4]]
    assert asked(kernel, line, [[SOURCE, SOURCE, SOURCE, WALL, TAKER, TAKER]]) == [[0] * 6]
    kind = [[SOURCE, SOURCE, SOURCE, TAKER, TAKER, TAKER]]
    assert asked(kernel, line, kind, roof=5.5) == [[0, 0, 0, 0, 1, 1]]


@KERNELS
def test_a_hollow_is_crossed(kernel):
    line, kind = [[9, 8, 5.5, 6, 5, 4]], [[SOURCE, SOURCE, SOURCE, TAKER, TAKER, TAKER]]
    assert asked(kernel, line, kind) == [[0, 0, 0, 1, 1, 1]]


@KERNELS
def test_an_empty_mask_and_a_single_cell(kernel):
    assert asked(kernel, [[1, 2], [3, 4]], [[WALL, WALL], [WALL, WALL]]) == [[0, 0], [0, 0]]
    assert asked(kernel, [[1]], [[TAKER]]) == [[0]]


@given(
    z=arrays(np.float32, (7, 9), elements=st.integers(0, 30)),
    kind=arrays(np.uint8, (7, 9), elements=st.integers(0, 2)),
    gain=st.floats(0.1, 3),
)
def test_no_more_is_taken_than_given_and_only_by_takers(z, kind, gain):
    taken = fed(z, kind, np.full(z.shape, 1e9, np.float32), gain, 1.0)
    assert taken.sum() <= gain * (kind == SOURCE).sum() + 1e-6
    assert not taken[kind != TAKER].any()
    level, order = downhill._emptied(z, kind)
    inside = kind != WALL
    assert np.isnan(level[~inside]).all()
    assert (level[inside] >= z[inside]).all()
    assert sorted(order.tolist()) == np.flatnonzero(inside.ravel()).tolist()
