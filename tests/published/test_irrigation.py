"""Irrigated land on fields that people surveyed, and on a scene of the Fergana valley.

Fields: Remelgado et al. (2020), doi:10.1038/s41597-020-00591-2, with NDVI composites of 16 days (by way of
nasaharvest/cropharvest, CC BY 4.0). Accuracy is that of five labels, fallow and the four seasons; "unclear"
is left out. `pytest -s` prints the tables.
"""

import itertools
import json
import time
from dataclasses import replace

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.features import rasterize

from bluepeace_gis.analyses.irrigation import classify, decide, described, green_threshold, levels, seasons
from bluepeace_gis.analyses.irrigation.rule import Limits
from bluepeace_gis.kernels.normalized import NODATA, STEPS

pytestmark = pytest.mark.real

LABELS = np.array(["fallow", "winter", "summer", "double", "permanent"])
CORE_DAYS = (97, 289)  # well observed: at least 90 % of the composites of these days


class Fields:
    """The surveyed fields as arrays."""

    def __init__(self, table):
        table = table[table["label_2"] != "unclear"].reset_index(drop=True)
        columns = [name for name in table if name.startswith("ndvi_X")]
        self.days = np.array([int(name.removeprefix("ndvi_X")) for name in columns])
        self.measured = table[columns].to_numpy()
        known = np.isfinite(self.measured)
        self.ndvi = np.where(known, np.rint(np.nan_to_num(self.measured) * STEPS), NODATA).astype(np.int16).T
        self.label = table["label_2"].to_numpy(str)
        self.region, self.year = table["region"].to_numpy(str), table["year"].to_numpy()
        core = (self.days >= CORE_DAYS[0]) & (self.days <= CORE_DAYS[1])
        self.well = known[:, core].mean(axis=1) >= 0.9


@pytest.fixture(scope="module")
def fields(real_data):
    return Fields(pd.read_csv(real_data / "irrigation/cawa/fields_ndvi_16day.csv.gz"))


@pytest.fixture(scope="module")
def curves(fields):
    return described(fields.ndvi, fields.days, seasons.shipped())


def scores(label, found, among):
    """Accuracy of five labels, share of fallow called cropped, share of cropped kept."""
    cropped, is_crop = found[among] != "fallow", label[among] != "fallow"
    return (
        float((found == label)[among].mean()) if among.any() else np.nan,
        float(cropped[~is_crop].mean()) if (~is_crop).any() else np.nan,
        float(cropped[is_crop].mean()) if is_crop.any() else np.nan,
    )


def of_rule(curves, limits=None):
    made = decide(curves, seasons.shipped(), limits=limits)
    return LABELS[made.season], made.state == 0, made


# --- the plain rule, so that figures are compared with what they were measured by -------------------------


def plain_rule(fields):
    """Maxima of days 60-165 and 181-273 from 0.40, double if days 145-209 fall 0.12 below both."""

    def highest(first, last, sign=1.0):
        chosen = sign * fields.measured[:, (fields.days >= first) & (fields.days <= last)]
        filled = np.where(np.isfinite(chosen), chosen, -9.0).max(axis=1)
        return np.where(filled > -9.0, sign * filled, np.nan)

    spring, summer, trough = highest(60, 165), highest(181, 273), highest(145, 209, -1.0)
    in_spring, in_summer = spring >= 0.4, summer >= 0.4
    deep = np.minimum(spring, summer) - trough > 0.12
    both = np.where(deep, "double", "permanent")
    one = np.where(in_spring, "winter", np.where(in_summer, "summer", "fallow"))
    return np.where(in_spring & in_summer, both, one)


def test_the_figures_of_the_plain_rule_are_those_of_five_labels(fields):
    found = plain_rule(fields)
    assert len(fields.label) == 6102
    assert fields.well.sum() == 2827
    everywhere = np.ones(len(found), bool)
    # well observed 0.883, 10.0 %, 96.4 %; all 0.805, 19.2 %, 91.8 %
    assert scores(fields.label, found, fields.well) == pytest.approx((0.883, 0.100, 0.964), abs=5e-4)
    assert scores(fields.label, found, everywhere) == pytest.approx((0.805, 0.192, 0.918), abs=5e-4)


# --- the rule ---------------------------------------------------------------------------------------------


def print_table(fields, found, unseen):
    print("\nregion       year   fields  fallow  not observed | accuracy  fallow cropped  cropped kept")
    groups = [*pd.unique(pd.Series(zip(fields.region, fields.year, strict=True)).sort_values()), None]
    for name, subset in (("well observed", fields.well), ("all", np.ones(len(found), bool))):
        print(name)
        for group in groups:
            here = subset.copy()
            if group is not None:
                here &= (fields.region == group[0]) & (fields.year == group[1])
            if not here.any():
                continue
            row = scores(fields.label, found, here & ~unseen)
            place = f"{group[0]:12} {group[1]}" if group else f"{'together':17}"
            print(
                f"{place} {here.sum():8} {(fields.label[here] == 'fallow').sum():7} "
                f"{100 * unseen[here].mean():11.1f} % | {row[0]:8.3f}  {100 * row[1]:12.1f} % "
                f"{100 * row[2]:11.1f} %"
            )


def test_surveyed_fields_are_told_by_one_rule(fields, curves):
    found, unseen, made = of_rule(curves)
    print_table(fields, found, unseen)
    print(pd.crosstab(fields.label[fields.well], found[fields.well]))

    accuracy, fallow_cropped, kept = scores(fields.label, found, fields.well & ~unseen)
    assert accuracy >= 0.90
    assert fallow_cropped <= 0.08
    assert kept >= 0.97
    assert unseen[fields.well].mean() <= 0.01  # nothing is hidden in "not observed" where all was seen

    accuracy, fallow_cropped, kept = scores(fields.label, found, ~unseen)
    assert accuracy >= 0.84
    assert fallow_cropped <= 0.15
    assert kept >= 0.94
    right = (found == fields.label) & ~unseen
    print(f"not observed {unseen.mean():.3f}; right of all fields {right.mean():.3f}", end="; ")
    print(f"a second season may be hidden {made.season_open.mean():.3f}")
    assert unseen.mean() <= 0.10
    # more are right than the plain rule guesses, though what is not observed counts as wrong
    assert right.mean() > (plain_rule(fields) == fields.label).mean()


def test_what_was_not_observed_is_what_nobody_could_know(fields, curves):
    """Where all was seen, gaps like those of other fields make hardly any verdict wrong."""
    found, unseen, _ = of_rule(curves)
    whole = np.flatnonzero(fields.well & ~unseen & np.isin(fields.region, ["Fergana", "Kashkadarya"]))
    gaps = ~np.isfinite(fields.measured[fields.region == "Samarkand"])
    chance = np.random.default_rng(0)
    drawn = gaps[chance.integers(0, len(gaps), len(whole))]
    ndvi = np.where(drawn.T, NODATA, fields.ndvi[:, whole]).astype(np.int16)
    made = classify(ndvi, fields.days, seasons.shipped())
    cropped, before = made.state == 3, found[whole] != "fallow"
    decided = made.state != 0
    print(
        f"\nspring taken away: {decided.mean():.3f} decided; cropped before, now 'not irrigated': "
        f"{(before & (made.state == 1)).mean():.4f}; fallow before, now cropped {(~before & cropped).sum()}"
    )
    assert (before & (made.state == 1)).mean() <= 0.005
    assert (made.state[before & (found[whole] == "winter")] != 1).mean() >= 0.97
    assert decided.mean() >= 0.6  # summer crops are seen all the same


def test_few_dates_decide_bare_land_too_and_hardly_any_crop_is_called_bare(fields, curves):
    """Composites taken away at random, as clouds do with a single Landsat."""
    found, unseen, _ = of_rule(curves)
    whole = np.flatnonzero(fields.well & ~unseen)
    cropped = found[whole] != "fallow"
    print("\nkept of 23 | crops: decided, called bare | bare: decided, called cropped")
    for kept in (6, 8, 12, 15):
        chance = np.random.default_rng(kept)
        ndvi = fields.ndvi[:, whole].copy()
        ndvi[np.argsort(chance.random(ndvi.shape), axis=0) >= kept] = NODATA
        state = classify(ndvi, fields.days, seasons.shipped()).state
        shares = [(state[which] == code).mean() for which in (cropped, ~cropped) for code in (0, 1, 3)]
        print(f"{kept:10} | {1 - shares[0]:.3f}  {shares[1]:.4f} | {1 - shares[3]:.3f}  {shares[5]:.3f}")
        assert shares[1] <= 0.015
        assert kept < 12 or 1 - shares[3] >= 0.6


@pytest.mark.parametrize("among", ["well observed", "all"])
def test_thresholds_chosen_elsewhere_do_as_well_as_the_defaults(fields, curves, among):
    """Chosen on two regions (or on all years but one), scored on the third: what fitting would bring."""
    grid = [
        Limits(green=green, contrast=contrast, trough_open=part)
        for green, contrast, part in itertools.product(
            (0.30, 0.35, 0.40), (0.15, 0.20, 0.25), (0.5, 2 / 3, 0.8)
        )
    ]
    answers = [of_rule(curves, limits)[:2] for limits in grid]
    subset = fields.well if among == "well observed" else np.ones(len(fields.label), bool)

    def reached(which, here):
        found, unseen = answers[which]
        return scores(fields.label, found, here & ~unseen)

    def worth(which, here):
        """Accuracy of labels, and of cropped and fallow in equal parts: fallow is rare."""
        accuracy, fallow_cropped, kept = reached(which, here)
        return accuracy + (1 - np.nan_to_num(fallow_cropped) + kept) / 2

    default = next(k for k, limits in enumerate(grid) if limits == Limits())
    print(
        f"\n{among}; left out  chosen elsewhere: green contrast part | accuracy, fallow cropped, kept there"
    )
    for column in (fields.region, fields.year):
        total, right = 0, {"chosen": 0.0, "default": 0.0}
        for out in np.unique(column[subset]):
            there = subset & (column == out)
            best = max(range(len(grid)), key=lambda k, rest=subset & (column != out): worth(k, rest))
            limits = grid[best]
            rows = {"chosen": reached(best, there), "default": reached(default, there)}
            print(f"{out!s:14} {limits.green:.2f} {limits.contrast:.2f} {limits.trough_open:.2f}", end=" |")
            print(*(f"{name} {np.round(row, 3)}" for name, row in rows.items()))
            total += int(there.sum())
            for name, row in rows.items():
                right[name] += row[0] * there.sum()
        print("together", {name: round(each / total, 3) for name, each in right.items()})
        assert right["default"] >= right["chosen"] - 0.01 * total  # next to nothing to be had by fitting
        assert right["chosen"] >= 0.85 * total


def test_no_threshold_stands_on_an_edge(fields, curves):
    base = Limits()
    default = scores(fields.label, of_rule(curves)[0], fields.well)[0]
    print(f"\ndefault {default:.3f}")
    for name in ("green", "contrast", "second_green", "trough", "trough_open"):
        for times in (0.8, 1.2):
            limits = replace(base, **{name: getattr(base, name) * times})
            found, unseen, _ = of_rule(curves, limits)
            row = scores(fields.label, found, fields.well & ~unseen)
            print(f"{name:13} x {times}: accuracy {row[0]:.3f} fallow cropped {row[1]:.3f} kept {row[2]:.3f}")
            assert row[0] >= default - 0.025


def test_lower_thresholds_add_fields_and_higher_ones_take_some(curves):
    _, _, made = of_rule(curves)
    low, middle, high = ((state == 3) for state in (made.low, made.state, made.high))
    print(f"\ncropped {low.mean():.3f} {middle.mean():.3f} {high.mean():.3f}")
    assert not (low & ~middle).any()
    assert not (middle & ~high).any()
    assert low.mean() < middle.mean() < high.mean()


def test_no_region_asks_for_a_threshold_of_its_own(fields, curves):
    level = levels(curves)
    for region in np.unique(fields.region):
        threshold, two_hills = green_threshold(level[fields.region == region])
        print(f"\n{region}: {threshold:.2f} {'two hills' if two_hills else 'one hill'}", end="")
        assert (threshold, two_hills) == (0.35, False)


# --- a scene of the Fergana valley (RRemelgado/fieldRS, GPL-3) --------------------------------------------

# Five mosaics of 2016 whose dates the scene does not bear. Its reference profiles show winter wheat at its
# peak in the second, bare soil in the third and summer crops at their peak in the fourth.
FERGANA_DAYS = np.array([75, 115, 165, 215, 275])


@pytest.fixture(scope="module")
def fergana(real_data):
    folder = real_data / "irrigation/fergana"
    with rasterio.open(folder / "ndvi.tif") as source:
        stack, transform = source.read(), source.transform
        stack = np.where(stack == source.nodata, NODATA, stack).astype(np.int16)
    polygons = gpd.read_file(folder / "field_polygons.gpkg")
    shapes = [(shape, k + 1) for k, shape in enumerate(polygons.geometry)]
    number = rasterize(shapes, out_shape=stack.shape[1:], transform=transform, dtype=np.int32)
    return stack, number, polygons, pd.read_csv(folder / "field_ndvi_means.csv")


def test_means_of_fields_are_the_published_ones(fergana):
    stack, number, _, means = fergana
    one_by_one = 0
    for row in means.itertuples():
        cells = stack[:, number == row.id].astype(float)
        if cells.shape[1] == row.npix:  # not where fields overlap and the later one took cells
            one_by_one += 1
            expected = [row.t1, row.t2, row.t3, row.t4, row.t5]
            assert cells.mean(axis=1) / STEPS == pytest.approx(expected, abs=6e-5)
            assert cells.max(axis=0).mean() / STEPS == pytest.approx(row.mx, abs=6e-5)
    assert one_by_one >= 30
    # max NDVI >= 0.40: 24,648 of 25,424 cells
    assert ((stack.max(axis=0) >= 4000).sum(), stack[0].size) == (24_648, 25_424)


def test_states_of_fields_in_fergana(fergana):
    stack, number, polygons, _ = fergana
    made = classify(stack, FERGANA_DAYS, seasons.shipped())
    share = {
        crop: [float((made.state[number == k + 1] == 3).mean()) for k in rows]
        for crop, rows in polygons.groupby("crop").indices.items()
        if crop != "bare land"  # bare on one day only: they bore crops that year
    }
    print({crop: np.round(values, 2) for crop, values in share.items()})
    for crop, values in share.items():
        assert np.median(values) >= 0.95, crop
        assert min(values) >= 0.5, crop
    season = {
        crop: np.bincount(made.season[np.isin(number, np.array(rows) + 1)], minlength=5)
        for crop, rows in polygons.groupby("crop").indices.items()
    }
    print(season)
    assert season["cotton"].argmax() == 2
    assert season["wheat"].argmax() in (1, 3)


def test_a_histogram_of_one_hill_moves_no_threshold(fergana):
    stack, _, _, _ = fergana
    level = levels(described(stack, FERGANA_DAYS, seasons.shipped()))
    assert (level >= 3500).mean() > 0.9
    assert green_threshold(level) == (0.35, False)


# --- Sentinel-2 on irregular dates with cloud masks (sentinel-hub/eo-learn, MIT) --------------------------


def test_irregular_dates_with_clouds_run_end_to_end(real_data):
    folder = real_data / "irrigation/eolearn_patch"
    with np.load(folder / "eopatch_slovenia.npz") as patch:
        ndvi, valid = patch["ndvi"], patch["is_valid"]
    stamps = pd.DatetimeIndex(json.loads((folder / "timestamps.json").read_text(encoding="utf-8")))
    year = stamps.year == 2016
    known = valid[year] & np.isfinite(ndvi[year])
    stack = np.where(known, np.rint(np.clip(np.nan_to_num(ndvi[year]), -1, 1) * STEPS), NODATA)
    days = stamps[year].day_of_year.to_numpy()
    made = classify(stack.astype(np.int16), days, seasons.shipped())
    names, counts = np.unique(made.state, return_counts=True)
    print(f"\n{year.sum()} dates, states", dict(zip(names.tolist(), counts.tolist(), strict=True)))
    assert set(names.tolist()) <= {0, 1, 3}
    assert made.state.shape == (101, 100)
    # meadows and forest of Slovenia are green: nearly all is vegetated, in whatever order dates are masked
    assert (made.state == 3).mean() > 0.8
    # without the masks clouds would lower the curves, not leave gaps
    dark = classify(np.full_like(stack, NODATA, np.int16), days, seasons.shipped())
    assert (dark.state == 0).all()


def test_the_rule_is_fast_enough_for_archives(fields):
    ndvi = np.repeat(fields.ndvi, 40, axis=1)
    classify(ndvi[:, :100], fields.days, seasons.shipped())
    begin = time.perf_counter()
    classify(ndvi, fields.days, seasons.shipped())
    print(f"\n{ndvi.size / (time.perf_counter() - begin) / 1e6:.0f} million pixel-dates/s")
