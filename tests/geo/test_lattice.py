"""Grids that continue each other are found, and every cell keeps its place."""

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from shapely import box

from bluepeace_gis.errors import BadInput, OutsideGrid
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.geo.lattice import Place, lattices


def utm(x, y, rows=10, columns=20, size=30.0, crs="EPSG:32642"):
    return Grid(crs, Affine(size, 0, x, 0, -size, y), (rows, columns))


def test_two_dates_of_one_path_share_a_lattice_that_holds_both():
    (found,) = lattices({"july": utm(300_000, 4_500_000), "august": utm(300_060, 4_500_090)})

    assert found.grid.shape == (13, 22)
    assert found.grid.bounds == (300_000, 4_499_700, 300_660, 4_500_090)
    assert found.places == {"july": Place(3, 0, 10, 20), "august": Place(0, 2, 10, 20)}


@pytest.mark.parametrize(
    "other",
    [
        utm(300_015, 4_500_000),  # HLS cells lie half a cell off Landsat's
        utm(300_000, 4_500_000, size=10.0),
        utm(300_000, 4_500_000, crs="EPSG:32643"),
    ],
    ids=["phase", "cell size", "UTM zone"],
)
def test_grids_of_other_cells_make_a_lattice_of_their_own(other):
    found = lattices({"one": utm(300_000, 4_500_000), "other": other, "third": utm(300_300, 4_500_000)})

    assert [list(lattice.places) for lattice in found] == [["one", "third"], ["other"]]


@given(
    corners=st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=1, max_size=6),
)
def test_each_grid_lies_on_the_lattice_where_its_corner_says(corners):
    grids = {
        str(number): utm(300_000 + 30 * column, 4_500_000 - 30 * row)
        for number, (row, column) in enumerate(corners)
    }

    (found,) = lattices(grids)

    for name, grid in grids.items():
        place = found.places[name]
        cut = found.grid.window(place.row, place.row + place.rows, place.column, place.column + place.columns)
        assert cut.same_as(grid)


def test_a_study_area_cuts_the_lattice_to_the_cells_it_meets():
    (whole,) = lattices({"near": utm(300_000, 4_500_000), "far": utm(330_000, 4_500_000)})

    cut = whole.within(box(300_045, 4_499_800, 300_100, 4_499_990))

    assert cut.grid.bounds == (300_030, 4_499_790, 300_120, 4_500_000)
    assert cut.places == {"near": Place(0, -1, 10, 20)}
    with pytest.raises(OutsideGrid):
        whole.within(box(0, 0, 1, 1))


def test_an_area_along_the_edges_of_cells_takes_no_neighbours():
    (whole,) = lattices({"one": utm(300_000, 4_500_000)})

    cut = whole.within(box(300_030, 4_499_910, 300_060, 4_499_970))

    assert cut.grid.shape == (2, 1)
    assert np.allclose(whole.outline(Place(1, 1, 2, 1)).bounds, cut.grid.bounds)


def test_a_rotated_grid_is_refused_by_name():
    turned = Grid("EPSG:32642", Affine(29, 5, 0, 5, -29, 0), (5, 5))

    with pytest.raises(BadInput, match=r"turned.*rotated"):
        lattices({"turned": turned})
