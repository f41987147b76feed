"""Crossings and border reaches on rivers drawn cell by cell, on the sample, and on a real basin."""

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS

from bluepeace_gis.analyses.basins import defaults, delineate_basins
from bluepeace_gis.analyses.basins.borders import GEOMETRY_TYPES, trace_borders
from bluepeace_gis.archive import rasters
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.drainage import Drainage, drain
from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.geo.outlines import outline
from bluepeace_gis.geo.zones import shares
from bluepeace_gis.kernels.neighbours import NE, SE, SINK, E, N, S

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
UTM = CRS("EPSG:32642")
ROWS = 101
MIDDLE = 50  # the border runs along the upper edge of this row: rows above it are north

# One land in four grids: cells of 100 m, three of which are the tolerance; 0.001 degrees at 41 N is
# 84 by 111 m.
GRIDS = {
    "utm": (UTM, Affine(100, 0, 500_000, 0, -100, 4_550_000)),
    "south-up": (UTM, Affine(100, 0, 500_000, 0, 100, 4_540_000)),
    "rotated": (UTM, Affine.translation(500_000, 4_550_000) @ Affine.rotation(30) @ Affine.scale(100, -100)),
    "degrees": (CRS("EPSG:4326"), Affine(0.001, 0, 69.9, 0, -0.001, 41.05)),
    "over the date line": (CRS("EPSG:4326"), Affine(0.001, 0, 179.95, 0, -0.001, 41.05)),
}


def river(rows_of_river, name="utm"):
    """A river that runs one column to the east with each step, through the given row of each column.

    All other cells drain along their column to it.
    """
    path = np.asarray(rows_of_river)
    crs, transform = GRIDS[name]
    row = np.arange(ROWS)[:, None]
    direction = np.where(row < path, S, N).astype(np.uint8)
    steps = np.diff(path)
    assert np.abs(steps).max() <= 1
    ways = np.array([NE, E, SE])[steps + 1]
    direction[path, np.arange(path.size)] = [*ways, SINK]
    return Drainage(Grid(crs, transform, direction.shape), direction)


def land(drainage, crs=None, **boxes):
    """Countries as boxes (left, top, right, bottom) in cells of the grid, in any CRS."""
    t = drainage.grid.transform
    parts = {
        name: shapely.transform(
            shapely.segmentize(shapely.box(left, top, right, bottom), 5),
            lambda at: np.column_stack(
                (t.a * at[:, 0] + t.b * at[:, 1] + t.c, t.d * at[:, 0] + t.e * at[:, 1] + t.f)
            ),
        )
        for name, (left, top, right, bottom) in boxes.items()
    }
    layer = gpd.GeoDataFrame({"land": list(parts)}, geometry=list(parts.values()), crs=drainage.grid.crs)
    return layer if crs is None else layer.to_crs(crs)


def north_and_south(drainage, **options):
    wide = drainage.grid.shape[1] + 5
    return land(drainage, North=(-5, -5, wide, MIDDLE), South=(-5, MIDDLE, wide, ROWS + 5), **options)


def found_on(drainage, countries, zone=None, streams_km2=None, **options):
    """What is found where the channel is the drawn river: it begins in the second column."""
    first = drainage.grid.cell_areas[:, 0].sum() / 1e6
    inside = np.ones(drainage.grid.shape, np.int32) if zone is None else zone
    return trace_borders(
        drainage, inside, countries, "land", streams_km2=streams_km2 or 1.5 * first, **options
    )


def ways(layers):
    crossings = layers["crossings"]
    return list(zip(crossings["from_country"], crossings["to_country"], strict=True))


def pairs(layers):
    reaches = layers["border_reaches"]
    return list(zip(reaches["country_a"], reaches["country_b"], strict=True))


def down(start, stop):
    """Diagonally from one row to another, both included."""
    return list(range(start, stop + 1)) if stop >= start else list(range(start, stop - 1, -1))


def zigzag(count, row=MIDDLE):
    """Cell by cell from one side of a border above ``row`` to the other."""
    return [row - 1 + k % 2 for k in range(count)]


def check_sums(layers):
    """The shares of each crossing add up to its upstream area and to 100 to the last digit."""
    groups = layers["crossing_shares"].groupby("crossing_id")
    for one in layers["crossings"].itertuples():
        mine = groups.get_group(one.crossing_id)
        assert sum(mine["area_km2"]) == one.upstream_km2
        assert sum(reversed(mine["area_km2"].tolist())) == one.upstream_km2
        assert sum(mine["share_pct"]) == 100


@pytest.mark.parametrize("name", GRIDS)
def test_a_river_straight_over_a_border_crosses_once_with_all_its_land_upstream(name):
    drainage = river([MIDDLE] * 80, name)
    countries = land(drainage, West=(-5, -5, 40, ROWS + 5), East=(40, -5, 85, ROWS + 5))

    layers = found_on(drainage, countries)

    assert ways(layers) == [("West", "East")]
    assert not pairs(layers)
    areas = drainage.grid.cell_areas
    crossing = layers["crossings"].iloc[0]
    assert crossing["upstream_km2"] == pytest.approx(areas[:, :40].sum() / 1e6, rel=1e-12)
    x, y = drainage.grid.centres(MIDDLE, [39, 40])
    assert crossing.geometry.x == pytest.approx(x.mean(), rel=1e-12)  # on the edge between the cells
    assert crossing.geometry.y == pytest.approx(y.mean(), rel=1e-12)
    assert layers["crossing_shares"]["country"].tolist() == ["West"]
    assert layers["crossing_shares"]["share_pct"].tolist() == [100]
    check_sums(layers)


@pytest.mark.parametrize("name", GRIDS)
def test_upstream_of_a_slanting_border_each_country_has_its_own_land(name):
    # all land above the river is North's, all below it South's: the river leaves North at column 50
    drainage = river([*[20] * 30, *down(21, 80), *[80] * 20], name)
    layers = found_on(drainage, north_and_south(drainage))

    assert ways(layers) == [("North", "South")]
    assert not pairs(layers)
    column = 30 + (MIDDLE - 1 - 21)  # its last cell in North
    areas = drainage.grid.cell_areas / 1e6
    # that cell itself has the columns before it, and its own column as far as it drains to it
    upstream = areas[:, : column + 1].sum()
    assert layers["crossings"]["upstream_km2"].item() == pytest.approx(upstream, rel=1e-12)
    held = layers["crossing_shares"].set_index("country")["area_km2"]
    assert held["North"] == pytest.approx(areas[:MIDDLE, : column + 1].sum(), rel=1e-9)
    assert held["South"] == pytest.approx(areas[MIDDLE:, : column + 1].sum(), rel=1e-9)
    check_sums(layers)


@pytest.mark.parametrize("name", GRIDS)
def test_a_river_that_zigzags_along_a_border_is_one_reach_and_no_crossing(name):
    path = [*[20] * 20, *down(21, 48), *zigzag(41), *down(48, 20), *[20] * 10]
    drainage = river(path, name)

    layers = found_on(drainage, north_and_south(drainage))

    assert not ways(layers)
    assert layers["crossing_shares"].empty
    assert pairs(layers) == [("North", "South")]
    reach = layers["border_reaches"].iloc[0]
    # it begins and ends at a cell beside the border: all zigzags and nothing of the ways to and from it
    line = shapely.get_coordinates(reach.geometry)
    assert len(line) == 41
    lengths = drainage.path_lengths_m[path, np.arange(len(path))]
    assert reach["length_km"] == pytest.approx((lengths[48] - lengths[88]) / 1000, rel=1e-12)
    assert reach["upstream_km2"] == drainage.upstream_km2[path[88], 88]


def test_a_river_that_leaves_a_border_reach_to_the_other_side_crosses_where_the_reach_ends():
    path = [*[20] * 20, *down(21, 48), *zigzag(40), *down(51, 80), *[80] * 10]
    drainage = river(path)

    layers = found_on(drainage, north_and_south(drainage))

    assert ways(layers) == [("North", "South")]
    assert pairs(layers) == [("North", "South")]
    reach, crossing = layers["border_reaches"].iloc[0], layers["crossings"].iloc[0]
    assert crossing.geometry.equals(shapely.Point(reach.geometry.coords[-1]))
    assert crossing["upstream_km2"] == reach["upstream_km2"] == drainage.upstream_km2[MIDDLE, 87]
    check_sums(layers)


def test_a_river_beside_a_border_within_the_tolerance_runs_along_it_and_one_beyond_does_not():
    for rows_off, count in ((2, 1), (4, 0)):
        drainage = river([MIDDLE - 1 - rows_off] * 80)  # centres lie 250 and 450 m off, T is 300 m
        layers = found_on(drainage, north_and_south(drainage))
        assert len(layers["border_reaches"]) == count
        assert not ways(layers)


def test_the_least_lengths_of_stays_and_reaches_hold_to_the_cell():
    # T is 100 m (one cell): a stay has 500 m off the border, a border reach 1000 m on it
    def bump(width):
        """Out of North, over the border, `width` cells at a row 2 cells off, and back."""
        return river([*[40] * 20, *down(41, 51), *[52] * width, *down(51, 40), *[40] * 20])

    crossed = {}
    for width in range(1, 9):
        drainage = bump(width)
        layers = found_on(drainage, north_and_south(drainage), border_m=101)
        crossed[width] = len(layers["crossings"])
    # Rows 51 and 52 lie 150 and 250 m off: from the first to the last cell off the border and on to the
    # next one are three diagonal steps and `width - 1` straight ones.
    assert [width for width, count in crossed.items() if count] == [
        width for width in crossed if (width - 1) * 100 + 3 * 141.4 >= 505
    ]
    assert set(crossed.values()) == {0, 2}

    ran = {}
    for length in range(4, 16):
        path = [*[40] * 20, *down(41, 48), *[MIDDLE - 1] * length, *down(48, 40), *[40] * 20]
        drainage = river(path)
        ran[length] = len(found_on(drainage, north_and_south(drainage), border_m=101)["border_reaches"])
    # row 49 lies 50 m off, row 48 150 m: on the border are `length` cells, the last step of them diagonal
    assert [length for length, count in ran.items() if count] == [
        length for length in ran if (length - 1) * 100 + 141.4 >= 1010
    ]


def test_a_strip_of_land_too_narrow_for_a_stay_is_neither_crossed_nor_a_reach():
    drainage = river([MIDDLE] * 120)
    for width, crossings in ((8, 0), (30, 2)):  # 6 cells of it are on its borders; a stay takes 15 more
        countries = land(
            drainage,
            Strip=(60, -5, 60 + width, 106),
            West=(-5, -5, 60, 106),
            Zeast=(60 + width, -5, 125, 106),
        ).replace("Zeast", "West")
        layers = found_on(drainage, countries)
        assert len(layers["crossings"]) == crossings
        assert not pairs(layers)


def test_over_a_border_and_back_with_long_stays_crosses_twice():
    path = [*[20] * 10, *down(21, 80), *[80] * 20, *down(79, 20), *[20] * 20]
    drainage = river(path)

    layers = found_on(drainage, north_and_south(drainage))

    # the larger land upstream first: the lower crossing
    assert ways(layers) == [("South", "North"), ("North", "South")]
    assert not pairs(layers)
    upstream = layers["crossings"]["upstream_km2"].tolist()
    areas = drainage.grid.cell_areas / 1e6
    assert upstream[0] == drainage.upstream_km2[MIDDLE, path.index(MIDDLE, 60)]
    assert upstream[1] == drainage.upstream_km2[MIDDLE - 1, path.index(MIDDLE - 1)]
    assert layers["crossings"]["downstream_id"].tolist() == [0, 1]
    held = layers["crossing_shares"].pivot_table(index="crossing_id", columns="country", values="area_km2")
    column = path.index(MIDDLE, 60)
    assert held.loc[1, "North"] == pytest.approx(areas[:MIDDLE, : column + 1].sum(), rel=1e-9)
    check_sums(layers)


def test_where_three_countries_meet_each_pair_has_its_reach_and_a_country_is_left_once():
    # North above; Left and Right below, which meet at column 90
    path = [*[20] * 20, *down(21, 48), *zigzag(84), *down(51, 80), *[80] * 20]
    drainage = river(path)
    wide = len(path) + 5
    countries = land(
        drainage,
        North=(-5, -5, wide, MIDDLE),
        Left=(-5, MIDDLE, 90, ROWS + 5),
        Right=(90, MIDDLE, wide, ROWS + 5),
    )
    out_of_north = found_on(drainage, countries)
    assert pairs(out_of_north) == [("North", "Right"), ("Left", "North")]
    assert ways(out_of_north) == [("North", "Right")]
    # North lies along both reaches: it is left at the end of the second
    end = out_of_north["border_reaches"].geometry.iloc[0].coords[-1]
    assert out_of_north["crossings"].geometry.item().coords[0] == end

    path = [*[80] * 20, *down(79, 50), *zigzag(84), *down(51, 80), *[80] * 20]
    out_of_left = found_on(river(path), countries)
    assert pairs(out_of_left) == [("North", "Right"), ("Left", "North")]
    assert ways(out_of_left) == [("Left", "Right")]
    # Left lies along the first reach only: it is left where the three meet
    end = out_of_left["border_reaches"].geometry.iloc[1].coords[-1]
    assert out_of_left["crossings"].geometry.item().coords[0] == end
    assert abs(end[0] - (500_000 + 90 * 100)) <= 300
    check_sums(out_of_left)


def with_tributaries(path, joins):
    """Let the ten columns before each of some columns drain through a tributary, from both sides."""
    drainage = river(path)
    direction = drainage.direction.copy()
    for column in joins:
        for k in range(column - 10, column):
            direction[: path[k] - 3, k] = E
            direction[path[k] + 4 :, k] = E
    return Drainage(drainage.grid, direction)


def test_tributaries_from_both_sides_join_a_border_reach_and_do_not_cross():
    path = [*[20] * 20, *down(21, 48), *zigzag(81), *down(48, 20), *[20] * 30]
    drainage = with_tributaries(path, [70, 100, 123])

    layers = found_on(drainage, north_and_south(drainage), streams_km2=0.8)

    channel = drainage.upstream_km2 >= 0.8
    for column in (70, 100, 123):
        assert channel[20:80, column].sum() > 40  # tributaries are there, on both sides
    assert not ways(layers)
    assert pairs(layers) == [("North", "South")]
    assert len(layers["border_reaches"].geometry.item().coords) == 81


def test_a_tributary_into_a_river_of_the_other_country_crosses_before_it_joins():
    path = [30] * 90  # in North, 20 rows above the border
    drainage = with_tributaries(path, [60])

    layers = found_on(drainage, north_and_south(drainage), streams_km2=1.5)

    assert ways(layers) == [("South", "North")]
    assert layers["crossings"]["upstream_km2"].item() == drainage.upstream_km2[MIDDLE, 60]
    x, y = drainage.grid.centres([MIDDLE, MIDDLE - 1], [60, 60])
    assert layers["crossings"].geometry.item().equals(shapely.Point(x[0], y.mean()))
    held = layers["crossing_shares"]
    assert held["country"].tolist() == ["South"]
    check_sums(layers)


def test_tributaries_upstream_of_a_crossing_do_not_count_the_trunk_again():
    path = [*[20] * 60, *down(21, 80), *[80] * 20]
    drainage = with_tributaries(path, [20, 40, 60])
    layers = found_on(drainage, north_and_south(drainage), streams_km2=1.5)
    trunk = [row for row in ways(layers) if row == ("North", "South")]
    assert len(trunk) == 1
    # and those that come from South into the trunk in North cross each by itself
    assert ways(layers).count(("South", "North")) == 3
    assert layers["crossings"]["crossing_id"].tolist() == [1, 2, 3, 4]
    assert layers["crossings"]["upstream_km2"].is_monotonic_decreasing
    check_sums(layers)


def test_each_crossing_names_the_next_one_downstream_and_ids_rise_upstream():
    # a trunk in North that crosses to South at the end; one tributary from South joins above that, and
    # one below it, which comes from North
    path = [*[20] * 80, *down(21, 80), *[80] * 40]
    drainage = with_tributaries(path, [50, 170])
    crossings = found_on(drainage, north_and_south(drainage), streams_km2=2.5)["crossings"]

    assert crossings["upstream_km2"].is_monotonic_decreasing
    assert crossings["crossing_id"].tolist() == list(range(1, len(crossings) + 1))
    route = dict(
        zip(
            crossings["crossing_id"],
            zip(crossings["from_country"], crossings["to_country"], strict=True),
            strict=True,
        )
    )
    assert route[1] == ("North", "South")
    below = dict(zip(crossings["crossing_id"], crossings["downstream_id"], strict=True))
    by_x = crossings.set_index("crossing_id").geometry.x
    above = [one for one in below if by_x[one] < by_x[1]]
    beside = [one for one in below if by_x[one] > by_x[1]]
    assert above
    assert beside
    assert {below[one] for one in above} == {1}
    assert {below[one] for one in beside} == {0} == {below[1]}


def test_a_gap_between_two_countries_is_crossed_once_and_nobody_owns_it():
    drainage = river([MIDDLE] * 100)
    for gap in (1, 30):  # within the tolerance, and far wider
        countries = land(drainage, West=(-5, -5, 40, ROWS + 5), East=(40 + gap, -5, 105, ROWS + 5))
        layers = found_on(drainage, countries)
        assert ways(layers) == [("West", "East")]
        assert layers["crossings"]["upstream_km2"].item() == drainage.upstream_km2[MIDDLE, 39]
        assert not pairs(layers)
    # a river along a narrow gap runs along a border, too
    upper = land(drainage, North=(-5, -5, 105, MIDDLE), South=(-5, MIDDLE + 1, 105, ROWS + 5))
    assert pairs(found_on(drainage, upper)) == [("North", "South")]


def test_an_overlap_is_one_border_of_the_first_by_name():
    drainage = river([MIDDLE] * 100)
    countries = land(drainage, West=(-5, -5, 45, ROWS + 5), East=(40, -5, 105, ROWS + 5))
    layers = found_on(drainage, countries)
    assert ways(layers) == [("West", "East")]
    assert layers["crossings"]["upstream_km2"].item() == drainage.upstream_km2[MIDDLE, 39]
    # what both claim lies below the crossing; further down it would be counted once
    assert layers["crossing_shares"]["country"].tolist() == ["West"]


def test_the_way_beyond_the_basin_is_judged_but_not_reported():
    path = [*[20] * 20, *down(21, 48), *zigzag(40), *down(51, 80), *[80] * 10]
    drainage = river(path)
    column = np.arange(len(path))[None, :] + np.zeros((ROWS, 1))

    zone = np.where(column <= 70, 7, 0).astype(np.int32)  # the basin ends in the middle of the reach
    layers = found_on(drainage, north_and_south(drainage), zone)
    assert not ways(layers)
    reach = layers["border_reaches"].iloc[0]
    assert reach["outlet_id"] == 7
    assert reach["upstream_km2"] == drainage.upstream_km2[path[70], 70]
    assert len(reach.geometry.coords) == 70 - 48 + 1

    zone = np.where(column <= 88, 7, 0).astype(np.int32)  # just below its end: the stay lies beyond
    assert ways(found_on(drainage, north_and_south(drainage), zone)) == [("North", "South")]


def test_the_first_outlet_downstream_is_named():
    drainage = river([MIDDLE] * 90)
    countries = land(drainage, A=(-5, -5, 30, 106), B=(30, -5, 60, 106), C=(60, -5, 95, 106))
    zone = np.where(np.arange(90)[None, :] < 45, 3, 5) * np.ones((ROWS, 1))
    crossings = found_on(drainage, countries, zone.astype(np.int32))["crossings"]
    assert crossings["outlet_id"].tolist() == [5, 3]
    assert crossings["from_country"].tolist() == ["B", "A"]


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32643", "ESRI:102025"])
def test_countries_in_another_crs_are_crossed_at_the_same_place(crs):
    path = [*[20] * 20, *down(21, 48), *zigzag(40), *down(51, 80), *[80] * 30, *down(79, 10), *[10] * 10]
    drainage = river(path)
    here = found_on(drainage, north_and_south(drainage))
    there = found_on(drainage, north_and_south(drainage, crs=crs))
    assert ways(here) == ways(there) == [("South", "North"), ("North", "South")]
    for layer in ("crossings", "border_reaches"):
        assert here[layer].geometry.geom_equals_exact(there[layer].geometry, 0.5).all()
        assert here[layer]["upstream_km2"].tolist() == there[layer]["upstream_km2"].tolist()


COLUMNS = {
    "crossings": {
        "crossing_id": "int64",
        "from_country": "object",
        "to_country": "object",
        "upstream_km2": "float64",
        "outlet_id": "int64",
        "downstream_id": "int64",
        "geometry": "geometry",
    },
    "border_reaches": {
        "reach_id": "int64",
        "country_a": "object",
        "country_b": "object",
        "length_km": "float64",
        "upstream_km2": "float64",
        "outlet_id": "int64",
        "geometry": "geometry",
    },
    "crossing_shares": {
        "crossing_id": "int64",
        "country": "object",
        "area_km2": "float64",
        "share_pct": "float64",
    },
}


def columns_of(layers):
    return {name: {k: str(v) for k, v in layer.dtypes.items()} for name, layer in layers.items()}


def test_layers_have_their_columns_and_crs_with_and_without_content():
    path = [*[20] * 20, *down(21, 48), *zigzag(40), *down(51, 80), *[80] * 10]
    drainage = river(path)
    countries = north_and_south(drainage)
    full = found_on(drainage, countries)
    far = countries.set_geometry(countries.translate(1e6))
    no_basin = np.zeros(drainage.grid.shape, np.int32)
    one = countries[countries["land"] == "South"]
    empty = {
        "none given": trace_borders(drainage, no_basin + 1, None, None, streams_km2=1),
        "no feature": found_on(drainage, countries.iloc[:0]),
        "far away": found_on(drainage, far),
        "one country": found_on(drainage, one),
        "no basin": found_on(drainage, countries, no_basin),
        "no channel": found_on(drainage, countries, streams_km2=1e6),
    }
    assert all(len(layer) for layer in full.values())
    assert columns_of(full) == COLUMNS
    for name, layers in empty.items():
        assert columns_of(layers) == COLUMNS, name
        assert not any(len(layer) for layer in layers.values()), name
    for layers in (full, *empty.values()):
        assert all(layers[name].crs == UTM for name in GEOMETRY_TYPES)
        for name, kind in GEOMETRY_TYPES.items():
            assert (layers[name].geom_type == kind).all()


def test_bad_input_is_refused_in_one_sentence_with_the_way_out():
    drainage = river([MIDDLE] * 60)
    countries = north_and_south(drainage)
    for border_m in (0.0, -5.0, 20.0, np.nan, np.inf):
        with pytest.raises(BadInput, match=r"--border-m is .* at least one cell"):
            found_on(drainage, countries, border_m=border_m)
    with pytest.raises(BadInput, match='no column "name"'):
        trace_borders(drainage, np.ones(drainage.grid.shape, np.int32), countries, "name", streams_km2=1)


def test_the_smallest_grids_do_not_fail():
    for shape in ((1, 1), (1, 4), (4, 1)):
        direction = np.full(shape, SINK, np.uint8)
        drainage = Drainage(Grid(UTM, Affine(100, 0, 0, 0, -100, 4_500_000), shape), direction)
        countries = land(drainage, A=(-1, -1, 0.5, 9), B=(0.5, -1, 9, 9))
        layers = found_on(drainage, countries, streams_km2=0.001)
        assert columns_of(layers) == COLUMNS


# A plane on which no two cells are equal, so that no two rivers are: stereographic, off its centre.
STEREOGRAPHIC = CRS("+proj=stere +lat_0=41 +lon_0=70 +ellps=WGS84 +units=m +no_defs")
MIRRORED = np.array([4, 3, 2, 1, 0, 7, 6, 5, 8, 9], np.uint8)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    tilt=st.floats(-1, 1),
    middle=st.floats(5.1, 34.9),
    slant=st.floats(-0.9, 0.9),
)
def test_a_mirrored_land_has_the_same_crossings_mirrored(seed, tilt, middle, slant):
    size, cell_m = 40, 5000.0
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[0:size, 0:size]
    z = 1000 + 8 * row + 6 * tilt * column + 15 * rng.standard_normal((size, size)) + 4 * np.abs(column - 20)
    right = Grid(STEREOGRAPHIC, Affine(cell_m, 0, 100_000, 0, -cell_m, 400_000), (size, size))
    left = Grid(STEREOGRAPHIC, Affine(cell_m, 0, -100_000 - size * cell_m, 0, -cell_m, 400_000), (size, size))
    drainage = drain(right.raster(z.astype(np.float32), "dem")).drainage
    mirrored = Drainage(left, MIRRORED[drainage.direction[:, ::-1]])
    top, bottom = middle - slant * 20, middle + slant * 20
    line = [(top, -2), (middle, 20.3), (bottom, 42)]
    west = shapely.Polygon([(-50, -2), *line, (-50, 42)])
    east = shapely.Polygon([*line, (90, 42), (90, -2)])

    def countries(turn):
        shapes = [
            shapely.transform(
                one,
                lambda at: np.column_stack(
                    (turn * (100_000 + at[:, 0] * cell_m), 400_000 - at[:, 1] * cell_m)
                ),
            )
            for one in (west, east)
        ]
        return gpd.GeoDataFrame({"land": ["A", "B"]}, geometry=shapes, crs=STEREOGRAPHIC)

    one = found_on(drainage, countries(1), streams_km2=300, border_m=1.1 * cell_m)
    other = found_on(mirrored, countries(-1), streams_km2=300, border_m=1.1 * cell_m)

    for name in GEOMETRY_TYPES:
        turned = shapely.transform(other[name].geometry.to_numpy(), lambda at: at * (-1, 1))
        assert len(one[name]) == len(turned)
        assert shapely.equals_exact(one[name].geometry.to_numpy(), turned, 1e-3).all()
    for name, layer in one.items():
        pd.testing.assert_frame_equal(
            pd.DataFrame(layer.drop(columns="geometry", errors="ignore")),
            pd.DataFrame(other[name].drop(columns="geometry", errors="ignore")),
            rtol=1e-7,
            atol=1e-4,
        )
    check_sums(one)


@pytest.fixture(scope="module")
def sample():
    """The drainage of the sample above its outlets, its countries, and its known answers."""
    found = delineate_basins(
        rasters.read(SAMPLE / "dem.tif"),
        gpd.read_file(SAMPLE / "outlets.gpkg"),
        terminal=gpd.read_file(SAMPLE / "terminal_lakes.gpkg"),
        area_field="known_km2",
    )
    countries = gpd.read_file(SAMPLE / "countries.gpkg", layer="countries")
    borders = gpd.read_file(SAMPLE / "countries.gpkg", layer="borders")
    answers = json.loads((SAMPLE / "known_answers.json").read_text(encoding="utf-8"))
    return found, countries, borders, answers


def test_the_rivers_of_the_sample_cross_where_they_are_known_to(sample):
    found, countries, borders, answers = sample

    layers = trace_borders(found.drained.drainage, found.zone, countries, "name", streams_km2=10)

    crossings, known = layers["crossings"], answers["border"]
    # The Asken leaves its border reach to the other side, 200 m above the last gauge.
    assert ways(layers) == [("Talvria", "Sormea"), ("Talvria", "Sormea"), ("Sormea", "Talvria")]
    for place, name in ((1, "Tivra"), (2, "East Asken")):
        crossing, answer = crossings.iloc[place], known[name]
        assert (crossing["from_country"], crossing["to_country"]) == (
            answer["from_country"],
            answer["to_country"],
        )
        # the answer is the first cell on the other side: within its diagonal
        assert crossing.geometry.distance(shapely.Point(answer["x"], answer["y"])) < 30 * np.sqrt(2)
        # another drainage, by filling: a brook of 0.4 km2 joins a few cells farther down there
        assert crossing["upstream_km2"] == pytest.approx(answer["upstream_km2"], rel=0.01)
    reach = layers["border_reaches"].iloc[0]
    assert pairs(layers) == [("Sormea", "Talvria")]
    stretch = borders.geometry[borders["stretch"] == "along the Asken"].item()
    # steps in eight directions are up to 8 % longer than a line, and the river winds more than its border
    assert (
        known["along the Asken"]["line_km"] < reach["length_km"] < 1.1 * known["along the Asken"]["line_km"]
    )
    assert shapely.hausdorff_distance(reach.geometry, stretch) < 150
    assert crossings.geometry.iloc[0].equals(shapely.Point(reach.geometry.coords[-1]))
    check_sums(layers)


def test_brooks_of_the_sample_add_crossings_but_no_reach_along_the_asken(sample):
    found, countries, borders, _ = sample
    layers = trace_borders(found.drained.drainage, found.zone, countries, "name", streams_km2=1)
    assert len(layers["border_reaches"]) == 1
    line = borders.union_all()
    assert (layers["crossings"].distance(line) < defaults.BORDER_M).all()
    # along the whole border reach, into which brooks run from both sides, none but its end is a crossing
    asken = layers["border_reaches"].geometry.item()
    assert (layers["crossings"].distance(asken) < 100).sum() == 1
    check_sums(layers)


@pytest.mark.real
def test_the_river_of_shakhimardan_passes_the_exclave_and_the_shares_are_those_of_a_basin(real_data):
    dem = rasters.read(real_data / "basins/shakhimardan_dem_100m_utm42.tif")
    countries = gpd.read_file(real_data / "borders/ne10m_countries_central_asia.gpkg")
    outlet = gpd.GeoDataFrame(geometry=gpd.points_from_xy([731003.04], [4440127.31]), crs=UTM)
    found = delineate_basins(dem, outlet, edges="closed")
    drainage = found.drained.drainage

    layers = trace_borders(drainage, found.zone, countries, "name", streams_km2=50)

    # two rivers come in, one goes out below their confluence
    into, out = ("Kyrgyzstan", "Uzbekistan"), ("Uzbekistan", "Kyrgyzstan")
    assert ways(layers) == [out, into, into]
    crossings = layers["crossings"]
    upstream = crossings["upstream_km2"].tolist()
    assert upstream[1] + upstream[2] < upstream[0] < upstream[1] + upstream[2] + 100
    exclave = countries[countries["name"] == "Uzbekistan"].to_crs(UTM).union_all()
    assert (crossings.distance(exclave.boundary) < 1).all()
    assert (crossings["outlet_id"] == 1).all()
    # the same land, each delineated by itself and divided whole
    for one in crossings.itertuples():
        cell = np.nonzero(drainage.upstream_km2 == one.upstream_km2)
        whole = outline(drainage.delineate(*cell)[0], drainage.grid)
        held = shares(whole, countries, "name", total_km2=[one.upstream_km2])
        mine = layers["crossing_shares"].query("crossing_id == @one.crossing_id")
        assert mine["country"].tolist() == held["country"].tolist()
        assert mine["area_km2"].to_numpy() == pytest.approx(held["area_km2"].to_numpy(), abs=1e-6)
    check_sums(layers)
