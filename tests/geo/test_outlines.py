import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from shapely import MultiPolygon, box

from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.geo.outlines import outline

CELL = Affine(30, 0, 7e5, 0, -30, 4.4e6)


def grid_of(zone, transform=CELL):
    return Grid("EPSG:32642", transform, zone.shape)


@given(
    arrays(np.int32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 3)),
    st.sampled_from([CELL, Affine(1, 0, 0, 0, 2, 0), Affine(3, 1, 0, -1, 3, 0)]),
)
def test_outlines_are_valid_and_cover_exactly_their_cells(zone, transform):
    grid = grid_of(zone, transform)

    found = outline(zone, grid)

    cells = np.bincount(zone.ravel(), minlength=4)
    assert found["value"].tolist() == [value for value in (1, 2, 3) if cells[value]]
    assert found.is_valid.all()
    one = abs(transform.determinant)
    np.testing.assert_allclose(found.area, cells[found["value"]] * one, rtol=1e-9)
    whole = shapely.union_all(found.geometry.to_numpy())
    assert whole.area == pytest.approx(cells[1:].sum() * one)
    for row, column in np.argwhere(zone != 0):
        centre = shapely.points(*grid.centres(row, column))
        assert found.set_index("value").geometry[zone[row, column]].contains(centre)


@given(arrays(np.int32, (8, 8), elements=st.integers(0, 2)))
def test_points_stand_at_corners_only(zone):
    for geometry in outline(zone, grid_of(zone)).geometry:
        for part in shapely.get_parts(geometry):
            for ring in shapely.get_rings(part):
                step = np.diff(shapely.get_coordinates(ring), axis=0)
                turn = np.cross(
                    np.column_stack([step, np.zeros(len(step))]),
                    np.column_stack([np.roll(step, -1, axis=0), np.zeros(len(step))]),
                )[:, 2]
                assert (turn != 0).all()


def test_cells_that_touch_by_a_corner_are_parts_and_holes_stay():
    # 1 1 1 0
    # 1 0 1 0
    # 1 1 0 1
    zone = np.array([[1, 1, 1, 0], [1, 0, 1, 0], [1, 1, 0, 1]])

    found = outline(zone, grid_of(zone))

    geometry = found.geometry[0]
    assert isinstance(geometry, MultiPolygon)
    assert [len(part.interiors) for part in geometry.geoms] == [1, 0]
    assert geometry.is_valid
    assert geometry.area == 8 * 900


def test_one_cell_lies_where_its_grid_says():
    zone = np.zeros((5, 6), bool)
    zone[2, 3] = True

    found = outline(zone, grid_of(zone))

    assert found.geometry[0].equals(box(700_090, 4_399_910, 700_120, 4_399_940))
    assert found.geometry[0].geom_type == "Polygon"
    assert found["value"].tolist() == [1]
    assert found.crs.to_epsg() == 32642


def test_neighbours_share_their_points_exactly():
    zone = np.array([[1, 1, 2], [1, 2, 2]])
    one, two = outline(zone, Grid("EPSG:4326", Affine(1 / 3, 0, 70.1, 0, -1 / 3, 40.7), zone.shape)).geometry

    assert one.intersection(two).geom_type in {"LineString", "MultiLineString"}
    assert one.touches(two)


def test_background_and_negative_numbers():
    zone = np.array([[-1, 0], [70_000_001, 0]])

    assert outline(zone, grid_of(zone), background=-1)["value"].tolist() == [0, 70_000_001]


def test_nothing_makes_an_empty_layer():
    zone = np.zeros((2, 2), np.uint8)

    found = outline(zone, grid_of(zone))

    assert list(found.columns) == ["value", "geometry"]
    assert (len(found), found.crs.to_epsg(), found["value"].dtype) == (0, 32642, np.int64)


@pytest.mark.parametrize(
    ("zone", "sentence"),
    [
        (np.zeros((2, 2)), "type float64"),
        (np.zeros((3, 2), int), "the shape of the grid"),
        (np.array([[1, 2**31], [0, 0]]), "Number them anew"),
    ],
)
def test_what_are_no_zones_is_refused(zone, sentence):
    with pytest.raises(BadInput, match=sentence):
        outline(zone, Grid("EPSG:32642", CELL, (2, 2)))
