"""The picture of a map stands for any map: of no land, of degrees, of many zones, without curves."""

from itertools import pairwise

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from affine import Affine
from matplotlib.image import imread
from pyproj import CRS
from shapely import box

from bluepeace_gis.geo.grid import Grid
from bluepeace_gis.maps import styles
from bluepeace_gis.maps.irrigation_picture import (
    Curve,
    View,
    Windows,
    fields_picture,
    irrigation_picture,
)

WINDOWS = Windows((60, 180), (181, 290), 0.35)
COLUMNS = (
    "map_area_ha", "low_ha", "high_ha", "area_ha", "not_irrigated_ha", "uncertain_ha", "unobserved_ha",
    "winter_ha", "summer_ha", "double_ha", "permanent_ha", "unobserved_pct", "uncertain_pct",
)  # fmt: skip


def table(zones):
    rows = [("zone", name) for name in zones] + [("all", "all")]
    found = pd.DataFrame(rows, columns=["level", "zone"])
    for place, column in enumerate(COLUMNS):
        found[column] = 10.0 * place
    return found


def view(state, *, degrees=False, zones=3):
    crs = "EPSG:4326" if degrees else "EPSG:32642"
    cell = 0.0025 if degrees else 30.0
    left, top = (66.0, 42.0) if degrees else (500_000.0, 4_600_000.0)
    grid = Grid(CRS(crs), Affine(cell, 0, left, 0, -cell, top), state.shape)
    west, south, east, north = grid.bounds
    edges = np.linspace(west, east, zones + 1)
    borders = gpd.GeoSeries([box(a, south, b, north) for a, b in pairwise(edges)], crs=crs)
    season = np.where(state == 3, np.arange(state.size).reshape(state.shape) % 4 + 1, 0)
    names = [f"zone {number}" for number in range(zones)]
    return View(grid, state.astype(np.float32), season.astype(np.float32), borders, names)


def curve(name, dates=9):
    days = np.linspace(20, 350, dates)
    return Curve(name, "row 1", days, 0.2 + 0 * days, days, 0.2 + 0 * days)


@pytest.mark.parametrize(
    ("state", "options", "curves"),
    [
        (np.random.default_rng(1).integers(0, 4, (80, 60)), {}, 6),
        (np.full((40, 40), np.nan), {}, 0),
        (np.zeros((30, 90)), {"degrees": True}, 2),
        (np.full((50, 50), 3.0), {"zones": 60}, 1),
        (np.full((1, 1), 3.0), {"zones": 1}, 0),
    ],
    ids=["all classes", "nothing", "degrees", "many zones", "one cell"],
)
def test_any_map_is_drawn_and_the_same_map_gives_the_same_bytes(tmp_path, state, options, curves):
    shown = view(state, **options)
    made = [
        irrigation_picture(
            tmp_path / name, shown, table(shown.names), [curve(f"kind {k}") for k in range(curves)], WINDOWS,
            title="Irrigated land, 2024", facts=["One.", "Two " * 30],
        )
        for name in ("one.png", "two.png")
    ]  # fmt: skip
    assert made[0].read_bytes() == made[1].read_bytes()
    picture = imread(made[0])
    assert min(picture.shape[:2]) > 500


def test_classes_are_drawn_in_colours_of_their_own(tmp_path):
    """Seasons of irrigated land and the other states stand in one legend."""
    state = [each.colour for each in styles.LAYERS["irrigation"].classes if each.value != 3]
    season = [each.colour for each in styles.LAYERS["irrigation_season"].classes if each.value]
    assert len({*state, *season}) == len(state) + len(season)

    shown = view(np.full((40, 40), 2.0))
    path = irrigation_picture(
        tmp_path / "a.png", shown, table(shown.names), [], WINDOWS, title="Irrigated land", facts=[]
    )
    colour = next(each.colour for each in styles.LAYERS["irrigation"].classes if each.value == 2)
    wanted = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])
    picture = np.round(imread(path)[..., :3] * 255)
    assert (np.abs(picture - wanted).max(axis=-1) <= 1).mean() > 0.1


def test_fields_are_drawn_without_a_map(tmp_path):
    empty = Curve("not observed", "row 9", *(np.empty(0) for _ in range(4)))
    for name, curves in (("none.png", []), ("some.png", [curve("winter"), empty])):
        path = fields_picture(tmp_path / name, curves, WINDOWS, title="Irrigated fields", facts=["One."])
        assert min(imread(path).shape[:2]) > 200
