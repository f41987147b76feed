"""Outlines of two layers are linked by their overlap, n to m."""

import geopandas as gpd
import numpy as np
import pytest
import shapely

from bluepeace_gis.analyses.glaciers.links import COLUMNS, OVERLAP_MIN_M2, Overlay, links
from bluepeace_gis.errors import BadInput, UnknownCrs

UTM = "EPSG:32643"
X, Y = 500_000, 4_400_000


def square(x, y, side, height=None):
    return shapely.box(X + x, Y + y, X + x + side, Y + y + (height or side))


def layer(*shapes, crs=UTM, first="A"):
    names = [chr(ord(first) + place) for place in range(len(shapes))]
    return gpd.GeoDataFrame({"name": names}, geometry=list(shapes), crs=crs)


def linked(before, after, **more):
    return links(before, after, before_id="name", after_id="name", **more)


def test_a_glacier_that_split_two_that_met_and_one_of_each_kind_are_told_apart():
    before = layer(square(0, 0, 1000), square(3000, 0, 400), square(3600, 0, 400), square(6000, 0, 500))
    after = layer(
        square(0, 0, 400), square(500, 0, 400), square(3000, 0, 900, 300), square(9000, 0, 500), first="P"
    )
    table = linked(before, after)
    assert tuple(table.columns) == COLUMNS
    assert table[["before_id", "after_id"]].to_numpy().tolist() == [
        ["A", "P"], ["A", "Q"], ["B", "R"], ["C", "R"],
    ]  # fmt: skip
    assert table["cluster_id"].tolist() == [1, 1, 2, 2]
    assert table["n_before"].tolist() == [1, 1, 2, 2]
    assert table["n_after"].tolist() == [2, 2, 1, 1]
    assert table["before_area_fraction"].tolist() == pytest.approx([0.16, 0.16, 0.75, 0.5625], abs=1e-6)
    assert table["after_area_fraction"].tolist() == pytest.approx([1, 1, 4 / 9, 1 / 3], abs=1e-6)


@pytest.mark.parametrize(("wide", "there"), [(1.9, 0), (2.1, 1)])
def test_what_overlaps_by_less_than_200_square_metres_is_one_boundary_drawn_twice(wide, there):
    table = linked(layer(square(0, 0, 100)), layer(square(100 - wide, 0, 100)))
    assert OVERLAP_MIN_M2 == 200
    assert len(table) == there


def test_a_patch_smaller_than_that_is_linked_where_most_of_it_lies_in_the_other():
    table = linked(layer(square(0, 0, 500)), layer(square(100, 100, 10)))
    assert table["after_area_fraction"].tolist() == pytest.approx([1])


def test_layers_in_different_crss_are_linked_like_those_in_one():
    before, after = (
        layer(square(0, 0, 900), square(2000, 0, 900)),
        layer(square(50, 50, 700), square(1950, 0, 800)),
    )
    one = linked(before, after)
    for crs in ("EPSG:4326", "EPSG:32642", "ESRI:102025"):
        other = linked(before, after.to_crs(crs))
        assert other["after_id"].tolist() == one["after_id"].tolist()
        assert other["overlap_area_km2"].to_numpy() == pytest.approx(
            one["overlap_area_km2"].to_numpy(), rel=1e-5
        )


def test_glaciers_at_180_degrees_are_linked_however_their_longitudes_are_written():
    wide = layer(shapely.box(179.99, 68, 180.01, 68.01), crs="EPSG:4326")
    cut = layer(
        shapely.MultiPolygon([shapely.box(179.99, 68, 180, 68.01), shapely.box(-180, 68, -179.99, 68.01)]),
        crs="EPSG:4326",
    )
    west = layer(shapely.box(-180.01, 68, -179.99, 68.01), crs="EPSG:4326")
    for one, other in ((wide, cut), (cut, wide), (wide, west), (west, cut), (cut, west)):
        assert linked(one, other)["before_area_fraction"].tolist() == pytest.approx([1], abs=1e-9)
    assert linked(wide.to_crs("EPSG:32660"), cut)["before_area_fraction"].tolist() == pytest.approx(
        [1], abs=1e-4
    )


def test_clusters_are_those_of_a_graph_search():
    random = np.random.default_rng(5)
    shapes = [[square(*random.uniform(0, 9000, 2), 600) for _ in range(120)] for _ in range(2)]
    found = Overlay.of(*(gpd.GeoSeries(each, crs=UTM) for each in shapes))
    near = {(0, place): set() for place in range(120)} | {(1, place): set() for place in range(120)}
    for one in range(120):
        for other in range(120):
            if shapes[0][one].intersection(shapes[1][other]).area > OVERLAP_MIN_M2:
                near[0, one].add((1, other))
                near[1, other].add((0, one))
    seen, groups = {}, 0
    for start in near:
        if start in seen:
            continue
        stack = [start]
        while stack:
            node = stack.pop()
            if node not in seen:
                seen[node] = groups
                stack += near[node]
        groups += 1
    cluster = [*found.before_cluster, *found.after_cluster]
    pairs = {(seen[node], number) for node, number in zip(near, cluster, strict=True)}
    assert len(pairs) == groups == len(set(cluster))
    assert groups < 240  # some hang together


def test_layers_without_a_link_give_an_empty_table():
    table = linked(layer(square(0, 0, 100)), layer(square(5000, 0, 100)))
    assert tuple(table.columns) == COLUMNS
    assert table.empty


def test_invalid_outlines_are_mended_and_said(caplog):
    bow = shapely.Polygon([(X, Y), (X + 100, Y + 100), (X + 100, Y), (X, Y + 100)])
    table = linked(layer(bow), layer(square(0, 0, 100)))
    assert table["after_area_fraction"].tolist() == pytest.approx([0.5], rel=1e-3)
    assert "mended 1 of 1" in caplog.text


def test_what_cannot_be_linked_is_refused_in_a_sentence():
    good = layer(square(0, 0, 100))
    with pytest.raises(BadInput, match=r"no column rgi_id .* it has name"):
        links(good, good, before_id="rgi_id", after_id="name")
    with pytest.raises(BadInput, match="more than once"):
        linked(good, layer(square(0, 0, 100), square(500, 0, 50)).assign(name="A"))
    with pytest.raises(BadInput, match="1 glaciers without a name"):
        linked(good, layer(square(0, 0, 100)).assign(name=None))
    with pytest.raises(BadInput, match="not polygons"):
        linked(good, layer(shapely.Point(X, Y)))
    with pytest.raises(BadInput, match="without a polygon"):
        linked(good, layer(shapely.Polygon()))
    with pytest.raises(UnknownCrs, match="glaciers before"):
        linked(layer(square(0, 0, 100), crs=None), good)
