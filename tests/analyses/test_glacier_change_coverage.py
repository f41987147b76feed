"""Glaciers of known change, outlined with known errors: how often intervals hold, and verdicts err."""

import geopandas as gpd
import numpy as np
import pytest
import shapely

from bluepeace_gis.analyses.glaciers import change_defaults as defaults
from bluepeace_gis.analyses.glaciers.change import glacier_change
from bluepeace_gis.analyses.glaciers.outlined import outlines

UTM = "EPSG:32643"
X, Y = 400_000, 4_400_000
VERTICES, GLACIERS, SEEDS = 160, 9, 50
TURN = 2 * np.pi * np.arange(VERTICES) / VERTICES


def wobbling(random, length_m, correlation_m, sigma_m):
    """Errors along a closed line: blocks of white noise joined by a moving mean, alike over a length."""
    step = length_m / VERTICES
    window = max(1, round(correlation_m / step))
    noise = random.normal(0, sigma_m, VERTICES)
    return np.convolve(np.r_[noise, noise[: window - 1]], np.ones(window) / np.sqrt(window), "valid")


def outlined(random, radii, *, edge_m, correlation_m, offset_m):
    """Draw each glacier of true radius r with random errors of its edge, all of them with one offset."""
    common = random.normal(0, offset_m) if offset_m else 0.0
    shapes = []
    for place, radius in enumerate(radii):
        shape = radius * (1 + 0.15 * np.sin(3 * TURN + place))  # the same lobes on both dates
        drawn = shape + common + wobbling(random, 2 * np.pi * radius, correlation_m, edge_m)
        x = X + 6000 * (place % 3) + drawn * np.cos(TURN)
        y = Y + 6000 * (place // 3) + drawn * np.sin(TURN)
        shapes.append(shapely.Polygon(np.column_stack([x, y])))
    return shapes


def truth_km2(radii):
    """Area of the drawn polygons without errors."""
    found = []
    for place, radius in enumerate(radii):
        shape = radius * (1 + 0.15 * np.sin(3 * TURN + place))
        found.append(
            shapely.Polygon(np.column_stack([shape * np.cos(TURN), shape * np.sin(TURN)])).area / 1e6
        )
    return np.array(found)


def layer(shapes, date, **columns):
    return gpd.GeoDataFrame(
        {"rgi_id": [f"G{place}" for place in range(len(shapes))], "src_date": date, **columns},
        geometry=shapes, crs=UTM,
    )  # fmt: skip


def run(shrink, *, seeds=SEEDS, ours=False):
    """Compare many pairs of inventories of glaciers that shrank by a share of their radius."""
    radii = np.linspace(350, 1500, GLACIERS)
    later = radii * (1 - shrink)
    truth = truth_km2(later) - truth_km2(radii)
    edge_m, correlation_m = (8.0, 200.0) if ours else (defaults.EDGE_M, defaults.EDGE_CORRELATION_M)
    offset_m = 0.0 if ours else defaults.OFFSET_M
    found = {"single": [], "sum": [], "verdict": [], "held": [], "sum_verdict": []}
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        layers = []
        for what, sizes, date in (("before", radii, "2003-08-01"), ("after", later, "2023-08-01")):
            shapes = outlined(random, sizes, edge_m=edge_m, correlation_m=correlation_m, offset_m=offset_m)
            columns = {}
            if ours:
                around = np.array([shape.length for shape in shapes])
                # as the extent states it: along the smooth line, not the wobbling one
                edge = edge_m * np.sqrt(2 * np.pi * sizes * correlation_m) / 1e6
                assert (around > 0).all()
                columns = {"area_unc_km2": edge, "edge_unc_km2": edge, "snow_unc_km2": 0.0}
            layers.append(outlines(layer(shapes, date, **columns), what))
        answer = glacier_change(*layers)
        table, total = answer.clusters, answer.total
        found["single"] += ((table["change_km2"] - truth).abs() <= table["change_unc_km2"]).tolist()
        found["held"] += ((table["change_low_km2"] <= truth) & (truth <= table["change_high_km2"])).tolist()
        found["sum"].append(abs(total["change_km2"] - truth.sum()) <= total["change_unc_km2"])
        found["verdict"] += table["verdict"].tolist()
        found["sum_verdict"].append(total["verdict"])
    return found


def share(values, wanted=True):
    return np.mean([value == wanted for value in values])


@pytest.mark.parametrize("ours", [True, False], ids=["stated", "usual"])
def test_intervals_hold_the_true_change_as_often_as_they_say(ours):
    found = run(0.05, ours=ours)
    # 540 glaciers, of which those of one inventory share an offset: 68 % within one standard deviation
    assert 0.60 <= share(found["single"]) <= 0.78
    assert share(found["held"]) >= 0.92
    assert 0.50 <= share(found["sum"]) <= 0.85


@pytest.mark.parametrize("ours", [True, False], ids=["stated", "usual"])
def test_glaciers_that_did_not_change_are_seldom_called_to_have_changed(ours):
    found = run(0.0, ours=ours)
    wrong = 1 - share(found["verdict"], "not distinguishable")
    assert wrong <= 0.08  # 5 % meant
    assert 1 - share(found["sum_verdict"], "not distinguishable") <= 0.12


def test_a_large_loss_is_found():
    found = run(0.2, seeds=10, ours=True)
    assert share(found["verdict"], "loss") > 0.95
    assert share(found["sum_verdict"], "loss") == 1


def test_counting_the_common_part_as_random_would_call_far_too_many_sums_a_change():
    """What the split is for: errors that all glaciers of a date share do not average out."""
    wrong = []
    radii = np.linspace(350, 1500, GLACIERS)
    for seed in range(SEEDS):
        random = np.random.default_rng(seed)
        pair = [
            outlines(
                layer(
                    outlined(
                        random, radii, edge_m=defaults.EDGE_M, correlation_m=defaults.EDGE_CORRELATION_M,
                        offset_m=defaults.OFFSET_M,
                    ),
                    date,
                ),
                what,
            )
            for what, date in (("before", "2003-08-01"), ("after", "2023-08-01"))
        ]  # fmt: skip
        answer = glacier_change(*pair)
        naive = np.sqrt((answer.clusters["change_unc_km2"] ** 2).sum())
        wrong.append(abs(answer.total["change_km2"]) > defaults.VERDICT_TIMES * naive)
    assert np.mean(wrong) > 0.25
