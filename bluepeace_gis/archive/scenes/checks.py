"""Physical checks that catch inputs which are not what their names say.

A file called swir1 may hold the cirrus band, an offset may be forgotten, red and near infrared may have
changed places: nothing crashes, and every number that follows is wrong. What a surface of the Earth can
reflect is known well enough to find most of these lies in a sample of the pixels. The checks are built
to be silent on what is rare but real: snow, ice, salt, deserts, turbid water, haze and deep shadow; each
threshold below stands where no natural surface that is known reaches.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

from bluepeace_gis.archive.scenes import pixels
from bluepeace_gis.archive.scenes.scene import OPTICAL, THERMAL, Band, Scene
from bluepeace_gis.errors import BadInput
from bluepeace_gis.geo.crs import label, to_geographic
from bluepeace_gis.geo.flags import Flag
from bluepeace_gis.geo.grid import Grid

log = logging.getLogger(__name__)

Values = NDArray[np.float32]
Cells = NDArray[np.bool_]

# --- the sample: bounded, and the same for the same scene ---

PLACES: Final = 9  # windows read of a scene, spread over it
PLACE_CELLS: Final = 256  # along each side of a window, in cells of the finest band
LATTICE: Final = 6  # windows are looked for on this many rows and columns, those of the footprint first
_STRIDE: Final = 25  # through the lattice: coprime to 36, so that early places lie far apart
ENOUGH_KNOWN: Final = 0.25  # a window with a smaller share of values is taken only where nothing better is
SMALL_CELLS: Final = PLACES * PLACE_CELLS**2  # a raster of no more cells is read as a whole

# --- how much evidence a finding needs ---

ENOUGH_CELLS: Final = 200  # fewer cells of one kind may all be one odd roof or pond
ENOUGH_SHARE: Final = 0.01  # of the cells with values: swapped bands are wrong everywhere
COLOURED_SHARE: Final = 0.05  # where blue roofs or red lakes could be meant
OUTWEIGHS: Final = 5  # cells that a swap explains against those that contradict it

# --- what a surface can be; reflectance 0..1 ---

BRIGHTEST_MEDIAN: Final = 1.5  # snow slopes facing a low sun exceed 1, half a scene of them never 1.5
EIGHT_BITS: Final = 255  # the greatest number of a picture; reflectances in integers go to 10,000 and beyond
DARKEST_BRIGHT: Final = 0.002  # the brightest 1 % in the brightest visible band; overcorrected sea has 0.009
LOWEST: Final = -0.25  # Landsat's numbers begin at -0.2, Sentinel-2's at -0.1
LOWEST_SHARE: Final = 0.005
VISIBLE_RATIO: Final = 100.0  # medians of two visible bands; turquoise water, the most coloured, has 20
CONSTANT_CELLS: Final = 1000  # a small pond may have one value, no landscape has
THERMAL_K: Final = (200.0, 350.0)  # medians, from cloud tops over Antarctica to the Lut desert
SATURATED_TOLD: Final = 0.01
SATURATED_STOPS: Final = 0.5
FEWER_KNOWN: Final = 0.5  # of the cells another band knows

# The offsets that are forgotten: value by family, and how far the darkest pixels in blue and red
# (clear water, shade, plants: 0.00 to 0.03) may lie from it.
OFFSETS: Final[Mapping[str, tuple[float, ...]]] = {
    "landsat": (0.2,),
    "sentinel-2": (0.1,),
    "plain": (0.2, 0.1),
}
OFFSET_BELOW: Final = 0.015  # noise
OFFSET_ABOVE: Final = 0.035
WHITE: Final = 0.4  # reflectance of snow and clean ice in green, and more
FLOOR_LIGHT: Final = 0.2  # how much the light must vary on snow, from the 5th to the 75th percentile
FLOOR_STILL: Final = 0.5  # how much of that the short-wave infrared may vary with it and still be a floor
OFFSET_CERTAIN: Final = 0.15  # smaller ones may be haze at the top of the atmosphere: told, not stopped
OFFSET_CELLS: Final = 5000  # so that the darkest of a thousand are several
DARKEST_PERCENT: Final = 0.1
# Atmospheric correction overshoots to -0.02 over dark water and shade; an offset subtracted twice
# puts plants and water at -0.05 and less.
NEGATIVE: Final = -0.04
NEGATIVE_TOLD_PERCENT: Final = 5.0
NEGATIVE_STOPS_PERCENT: Final = 25.0


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a scene.

    Parameters
    ----------
    sentence : str
        What was found, what was expected, and the way out, as it is shown.
    stops : bool
        Whether numbers made from these bands would be wrong.
    bands : (str, ...)
        Common names of the bands concerned; none: the whole scene.
    """

    sentence: str
    stops: bool
    bands: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.sentence


def inspect(scene: Scene, names: Iterable[str] | None = None) -> tuple[Finding, ...]:
    """Look for signs that a scene is not what it says.

    Parameters
    ----------
    scene : Scene
    names : names of bands, optional
        Those the question needs; all of the scene without it. The others are read too, as witnesses.

    Returns
    -------
    (Finding, ...)
        Those that stop first; empty for an honest scene. What the metadata already told
        (``scene.findings``) comes last.

    Notes
    -----
    At most 9 windows of 256 x 256 cells of each band are read, the same ones each time; a band without
    values in any of them is read as a whole. Cells that the scene's own quality layer calls cloud are
    left out.
    """
    asked = tuple(dict.fromkeys(names if names is not None else scene.bands))
    findings = [_absent(scene, name) for name in asked if name not in scene.bands]
    there = sorted(scene.bands, key=lambda name: (*OPTICAL, THERMAL, name).index(name))
    grids, troubles = _grids(scene, there, asked)
    findings += troubles
    if grids:
        sample = _sample(scene, grids, findings)
        findings += _empty(scene, sample)
        findings += _saturation(sample)
        findings += _pictures(sample)
        findings += judge(sample.clear(), family=scene.family)
    concerned = [found for found in findings if not found.bands or set(found.bands) & set(asked)]
    told = [Finding(sentence, stops=False) for sentence in scene.findings]
    return tuple(sorted(dict.fromkeys(concerned), key=lambda found: not found.stops) + told)


def require(scene: Scene, *names: str) -> None:
    """Refuse a scene whose bands are not what they say; tell what else is doubtful as warnings.

    Parameters
    ----------
    scene : Scene
    *names : str
        The bands the question needs; all of the scene without any.

    Raises
    ------
    BadInput
        With all findings that stop.
    """
    findings = inspect(scene, names or None)
    for found in findings:
        if not found.stops:
            log.warning("%s: %s", scene.name, found)
    stopping = [found.sentence for found in findings if found.stops]
    if stopping:
        raise BadInput(f"{scene.name} ({scene.path}) is not what it says. " + " ".join(stopping))


def darkest_number(scene: Scene, name: str) -> float | None:
    """Find the number below which one of a thousand known cells of a band lies.

    Parameters
    ----------
    scene : Scene
    name : str
        A band of it.

    Returns
    -------
    float or None
        A number as it is stored, not calibrated; None if the sample holds no values.

    Raises
    ------
    BadInput
        If the band cannot be read.
    """
    band = scene.bands[name]
    grid = pixels.grid_of(band.source)
    parts = [
        pixels.calibrated(band.source, band.position, window, (1.0, 0.0, band.nodata))
        for window in _windows(scene, band, grid)
    ]
    numbers = np.concatenate([part[np.isfinite(part)] for part in parts])
    return float(np.percentile(numbers, DARKEST_PERCENT)) if numbers.size else None


# --- what needs no physics -------------------------------------------------------------------------------


def _absent(scene: Scene, name: str) -> Finding:
    return Finding(
        f"The band {name} is needed and the scene has none; it has {', '.join(scene.bands) or 'no bands'}. "
        "Copy the missing file, or say which band of the file it is (--bands).",
        stops=True,
        bands=(name,),
    )


def _grids(scene: Scene, names: list[str], asked: tuple[str, ...]) -> tuple[dict[str, Grid], list[Finding]]:
    """Read where the bands lie; those that lie elsewhere than the first one asked for are findings."""
    grids: dict[str, Grid] = {}
    findings = []
    for name in sorted(names, key=lambda name: name not in asked):
        try:
            grid = pixels.grid_of(scene.bands[name].source)
        except BadInput as error:
            findings.append(Finding(f"{name} cannot be used: {error}", stops=True, bands=(name,)))
            continue
        if not grids:
            grids[name] = grid
            continue
        first, expected = next(iter(grids.items()))
        where = _elsewhere(grid, expected)
        if where is None:
            grids[name] = grid
        else:
            findings.append(
                Finding(
                    f"{name} and {first} do not lie on one place: {where}. They are not of one scene; copy "
                    "the "
                    "bands again from one product.",
                    stops=True,
                    bands=(name,),  # the first is one that was asked for
                )
            )
    return grids, findings


def _elsewhere(grid: Grid, expected: Grid) -> str | None:
    """Say how two bands differ in place; cells of different size over the same ground do not."""
    if not pixels.same_plane(grid.crs, expected.crs):
        return f"the CRS is {label(grid.crs)} and {label(expected.crs)}"
    edges = np.subtract(grid.bounds, expected.bounds)
    cell = max(_cell(grid), _cell(expected))
    if np.abs(edges).max() > cell:
        return f"their edges differ by {np.abs(edges).max():.10g}, cells are {cell:.10g} wide"
    return None


def _cell(grid: Grid) -> float:
    return float(
        max(np.hypot(grid.transform.a, grid.transform.d), np.hypot(grid.transform.b, grid.transform.e))
    )


def _empty(scene: Scene, sample: "_Sample") -> list[Finding]:
    """Find bands without values, and those that know much less than the others."""
    shares = {
        name: float(np.isfinite(values).mean()) for name, values in sample.values.items() if values.size
    }
    findings = [
        Finding(
            f"{name} holds no values: every cell is nodata. Copy it again from its source.",
            stops=True,
            bands=(name,),
        )
        for name in sample.grids
        if shares.get(name, 0.0) == 0 and not _any_known(scene.bands[name])
    ]
    most = max(shares.values(), default=0.0)
    for name, share in shares.items():
        if 0 < share < FEWER_KNOWN * most and name != THERMAL:
            findings.append(
                Finding(
                    f"{name} knows {share:.0%} of the cells looked at, other bands {most:.0%}: part of it is "
                    "missing, and the result will have gaps there. Copy it again if it is needed.",
                    stops=False,
                    bands=(name,),
                )
            )
    return findings


def _any_known(band: Band) -> bool:
    """Read a band until a value is found, block by block."""
    rows, columns = pixels.grid_of(band.source).shape
    block_rows, block_columns = pixels.block_shape(band.source, band.position)
    height = max(block_rows, SMALL_CELLS // max(columns, 1) // block_rows * block_rows)
    width = columns if block_columns == columns else max(block_columns, PLACE_CELLS * 4)
    for row in range(0, rows, height):
        for column in range(0, columns, width):
            window = (row, min(row + height, rows), column, min(column + width, columns))
            if np.isfinite(_reader(band)(window)).any():
                return True
    return False


def _saturation(sample: "_Sample") -> list[Finding]:
    findings = []
    for name, share in sample.saturated.items():
        if share >= SATURATED_TOLD:
            findings.append(
                Finding(
                    f"{share:.0%} of the cells of {name} are saturated: the sensor was blinded there, and "
                    "their "
                    "true reflectance is higher than the file says."
                    + (" Choose another date." if share >= SATURATED_STOPS else ""),
                    stops=share >= SATURATED_STOPS,
                    bands=(name,),
                )
            )
    return findings


def _pictures(sample: "_Sample") -> list[Finding]:
    eight = tuple(name for name, kind in sample.kinds.items() if kind == np.uint8 and name in OPTICAL)
    if not eight:
        return []
    return [
        Finding(
            f"{_listed(eight)} {'have' if len(eight) > 1 else 'has'} 8 bits: that is mostly a picture "
            "stretched for the eye, whose numbers are no reflectance. Use the 16-bit bands of the product if "
            "there are any.",
            stops=False,
            bands=eight,
        )
    ]


# --- the physics -----------------------------------------------------------------------------------------


def judge(values: Mapping[str, Values], *, family: str = "plain") -> tuple[Finding, ...]:
    """Check reflectances of the same cells in several bands against what surfaces can be.

    Parameters
    ----------
    values : {common name: (n,) float}
        Reflectance 0..1, for the thermal band kelvin; NaN where unknown. As many bands as there are: each
        check uses those it finds.
    family : str
        Of the scene: which offsets can have been forgotten.

    Returns
    -------
    (Finding, ...)
    """
    values = {name: values[name] for name in (*OPTICAL, THERMAL) if name in values}
    found = [*_scale(values)]
    if any(finding.stops for finding in found):
        return tuple(found)  # nothing can be said about colours on a wrong scale
    found += [*_constant(values), *_identical(values), *_offset(values, family)]
    if found:  # a doubtful offset too turns every ratio of bands
        return tuple(found)
    bands = _Bands(values)
    for rule in (
        _red_and_nir,
        _dead_swir,
        _shifted,
        _swirs,
        _blue_and_red,
        _red_and_swir1,
        _one_visible_dark,
        _visible_over_plants,
    ):
        finding = rule(bands)
        if finding is not None:
            found.append(finding)
            break  # one swap makes other rules speak of the same bands in other words
    return tuple(found)


class _Bands:
    """The optical bands by attribute, and counting over them."""

    def __init__(self, values: Mapping[str, Values]) -> None:
        known = [name for name in OPTICAL if name in values and np.isfinite(values[name]).any()]
        size = next((values[name].size for name in known), 0)
        cells = np.ones(size, np.bool_)
        for name in known:
            cells &= np.isfinite(values[name])
        self.values = {name: values[name][cells] for name in known}
        self.size = int(cells.sum())

    def has(self, *names: str) -> bool:
        return all(name in self.values for name in names)

    def __getattr__(self, name: str) -> Values:
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(name) from None

    def enough(self, cells: Cells, share: float = ENOUGH_SHARE) -> bool:
        return int(cells.sum()) >= max(ENOUGH_CELLS, share * self.size)

    def plants(self, ndvi: float) -> Cells:
        """Cells that only plants explain: dark in red, bright in near infrared."""
        cells: Cells = (self.nir - self.red > ndvi * (self.nir + self.red)) & (self.nir >= 0.12)
        return cells


def _scale(values: Mapping[str, Values]) -> Iterator[Finding]:
    medians = {name: float(np.nanmedian(part)) for name, part in values.items() if np.isfinite(part).any()}
    thermal = medians.pop(THERMAL, None)
    if thermal is not None and not THERMAL_K[0] <= thermal <= THERMAL_K[1]:
        yield Finding(
            f"thermal has a median of {thermal:.4g}; expected kelvin, {THERMAL_K[0]:g} to {THERMAL_K[1]:g}. "
            "State its scale and offset.",
            stops=True,
            bands=(THERMAL,),
        )
    large = tuple(name for name, median in medians.items() if median > BRIGHTEST_MEDIAN)
    if large:
        highest = max(float(np.nanmax(values[name])) for name in large)
        yield Finding(
            f"{_listed(large)} {'have medians' if len(large) > 1 else 'has a median'} of "
            f"{', '.join(f'{medians[name]:.4g}' for name in large)}; reflectance lies between 0 and 1. "
            + (
                "Numbers up to 255 are mostly a picture stretched for the eye, which no scale makes a "
                "reflectance: use the 16-bit bands of the product."
                if highest <= EIGHT_BITS
                else "The scale is missing or wrong: state it in the file (gdal_edit.py -scale 0.0001 FILE)."
            ),
            stops=True,
            bands=large,
        )
    for name in medians:
        part = values[name]
        low = float((part[np.isfinite(part)] < LOWEST).mean())
        if low > LOWEST_SHARE and name not in large:
            yield Finding(
                f"{low:.1%} of {name} lies below {LOWEST:g}, which no reflectance does: fill values are "
                "not marked "
                "as nodata, or the scale or offset is wrong. Mark them (gdal_edit.py -a_nodata VALUE FILE).",
                stops=True,
                bands=(name,),
            )
    visible = [name for name in ("blue", "green", "red") if name in medians and name not in large]
    if not visible:
        return
    brightest = {name: float(np.nanpercentile(np.abs(values[name]), 99)) for name in visible}
    if max(brightest.values()) < DARKEST_BRIGHT:
        yield Finding(
            f"The brightest cells of {_listed(tuple(visible))} reflect {max(brightest.values()):.2g}; any "
            "scene has "
            f"some above {DARKEST_BRIGHT:g}. The scale is wrong or was applied twice: reflectance 0 to 1 "
            "is expected.",
            stops=True,
            bands=tuple(name for name in OPTICAL if name in medians),
        )
        return
    top = max(visible, key=lambda name: medians[name])
    for name in visible:
        if (
            medians[top] >= 0.05
            and medians[name] * VISIBLE_RATIO < medians[top]
            and brightest[name] < DARKEST_BRIGHT
        ):
            yield Finding(
                f"{name} has a median of {medians[name]:.2g}, {top} one of {medians[top]:.2g}: they are "
                "not on one "
                "scale. State the scale of each band.",
                stops=True,
                bands=(name, top),
            )


def _constant(values: Mapping[str, Values]) -> Iterator[Finding]:
    for name, part in values.items():
        known = part[np.isfinite(part)]
        if known.size >= CONSTANT_CELLS and known.min() == known.max():
            yield Finding(
                f"{name} holds the one value {known[0]:.4g} everywhere: nothing was measured. "
                "Copy it again from its source.",
                stops=True,
                bands=(name,),
            )


def _identical(values: Mapping[str, Values]) -> Iterator[Finding]:
    names = [name for name in OPTICAL if name in values]
    for place, name in enumerate(names):
        for other in names[place + 1 :]:
            one, two = values[name], values[other]
            known = np.isfinite(one) & np.isfinite(two)
            one, two = one[known], two[known]
            if one.size >= ENOUGH_CELLS and np.array_equal(one, two) and one.min() < one.max():
                yield Finding(
                    f"{name} and {other} hold the same numbers in every cell: one file was given for both. "
                    f"Give the right file for one of them.",
                    stops=True,
                    bands=(name, other),
                )


def _offset(values: Mapping[str, Values], family: str) -> Iterator[Finding]:
    """Find an offset that was forgotten, or subtracted where there is none."""
    optical = {name: values[name][np.isfinite(values[name])] for name in OPTICAL if name in values}
    optical = {name: part for name, part in optical.items() if part.size >= OFFSET_CELLS}
    visible = [name for name in ("blue", "green", "red") if name in optical]
    if not {"blue", "red"} <= set(visible):  # soil is darker in blue than in red; a missing offset is not
        return
    darkest = {name: float(np.percentile(part, DARKEST_PERCENT)) for name, part in optical.items()}
    numbers = ", ".join(f"{name} {value:.2f}" for name, value in darkest.items())
    swirs: list[str] = [name for name in ("swir1", "swir2") if name in optical]
    for offset in OFFSETS.get(family, ()) if swirs else ():  # without them snow cannot be told from a floor
        near = max(darkest["blue"], darkest["red"]) <= offset + OFFSET_ABOVE  # plants are brighter in green
        floor = near and min(darkest.values()) >= offset - OFFSET_BELOW
        if floor or _snow_on_a_floor(values, swirs, offset):
            yield Finding(
                f"{'The darkest cells' if floor else 'Snow and ice'} reflect about {offset:g} in "
                f"{'every band' if floor else _listed(swirs)} ({numbers} in the darkest), where 0 to 0.05 "
                "is usual: "
                f"the offset of -{offset:g} is not subtracted. "
                "State scale and offset as the product's metadata give them.",
                stops=offset >= OFFSET_CERTAIN,
                bands=tuple(optical),
            )
            return
    counted = [
        sum(float(np.percentile(optical[name], percent)) < NEGATIVE for name in visible) >= 2
        for percent in (NEGATIVE_TOLD_PERCENT, NEGATIVE_STOPS_PERCENT)
    ]
    if counted[0]:
        yield Finding(
            f"More than {NEGATIVE_STOPS_PERCENT if counted[1] else NEGATIVE_TOLD_PERCENT:g} % of the cells "
            "reflect less "
            f"than {NEGATIVE:g} in the visible bands ({numbers} in the darkest): an offset was subtracted "
            "that the "
            "numbers do not have. Check scale and offset against the product's metadata.",
            stops=counted[1] and family != "sentinel-2",  # there a valid XML decides
            bands=tuple(optical),
        )


def _snow_on_a_floor(values: Mapping[str, Values], swirs: list[str], offset: float) -> bool:
    """Tell whether white cells keep the offset in the short-wave infrared, however the light varies.

    Where snow reflects 0.2 in truth (fresh, fine grains), slopes make it vary as they make green vary.
    """
    if len(swirs) < 2 or "green" not in values:
        return False
    green = values["green"]
    white = green >= WHITE + offset
    for name in swirs:
        white &= np.isfinite(values[name])
    if white.sum() < max(OFFSET_CELLS, ENOUGH_SHARE * np.isfinite(green).sum()):
        return False
    low, middle, high = (float(part) for part in np.percentile(green[white] - offset, (5, 50, 75)))
    light = (high - low) / middle
    if light < FLOOR_LIGHT:
        return False
    for name in swirs:
        low, high = (float(part) for part in np.percentile(values[name][white], (5, 75)))
        if low < offset - OFFSET_BELOW or high > offset + OFFSET_ABOVE:
            return False
        if (high - low) / offset > FLOOR_STILL * light:
            return False
    return True


def _red_and_nir(bands: _Bands) -> Finding | None:
    """Find plants upside down: bright in red, dark in near infrared, as nothing on Earth is.

    Ice, water and red salt lakes too are darker in near infrared, but then green is as bright as red or
    the short-wave infrared is black.
    """
    if not bands.has("red", "nir"):
        return None
    red, nir = bands.red, bands.nir
    if bands.has("green", "swir1"):
        turned = (red > 2 * nir) & (red >= 0.15) & (bands.green < 0.7 * red) & (bands.swir1 >= 0.05)
    elif bands.has("swir1"):
        turned = (red > 2 * nir) & (red >= 0.15) & (bands.swir1 >= 0.05)
    elif bands.has("green"):  # red water keeps 0.4 of its red in green
        turned = (red > 1.5 * nir) & (red >= 0.2) & (bands.green < 0.35 * red)
    else:  # red water is as bright in red as this, but never so dark in near infrared
        turned = (red > 3 * nir) & (red >= 0.2)
    upright = (bands.nir > 2 * bands.red) & (bands.nir >= 0.15)
    if not bands.enough(turned) or turned.sum() < OUTWEIGHS * upright.sum():
        return None
    return _swap(
        ("red", "nir"),
        f"{turned.sum() / bands.size:.0%} of the cells are far brighter in red than in near infrared, "
        "and no water or ice: plants look so when red and nir are swapped, or when the bands were numbered "
        "for another sensor",
    )


def _dead_swir(bands: _Bands) -> Finding | None:
    """Find a short-wave infrared band that is black where land is not: the cirrus band, mostly.

    Snow, ice and water are black there in truth, so that only cells count that cannot be those.
    """
    for name, other, ratio, darkest in (("swir1", "swir2", 0.3, 0.02), ("swir2", "swir1", 0.1, 0.01)):
        if not bands.has(name):
            continue
        one = bands.values[name]
        if bands.has(other):
            lit = bands.values[other] >= 0.05
            if bands.enough(lit) and np.percentile(one[lit] / bands.values[other][lit], 95) < ratio:
                return _not_swir(
                    name, f"also where {other} reflects {np.median(bands.values[other][lit]):.2f}", one[lit]
                )
        if not bands.has("red", "nir"):
            continue
        land = (bands.nir >= 1.1 * bands.red) & (bands.red >= 0.05) & (bands.nir >= 0.12)
        if bands.enough(land) and np.percentile(one[land], 95) < darkest:
            return _not_swir(name, "also on rock, soil and plants", one[land])
        # Labelled snow and ice reflect at least 0.012 of their near infrared in swir1, or less than nothing
        # where the atmosphere was overcorrected; the cirrus band at most 0.009, and never less than nothing.
        lit = bands.nir >= 0.1
        if bands.enough(lit) and np.percentile(bands.nir[lit], 95) >= 0.2:
            low, high = np.percentile(one[lit], (5, 95))
            if low > 0.0003 and high < 0.006 and np.median(one[lit] / bands.nir[lit]) < 0.012:
                return _not_swir(name, "and evenly so, as not even snow is", one[lit])
    return None


def _not_swir(name: str, where: str, part: Values) -> Finding:
    return Finding(
        f"{name} is nearly black everywhere, {where} (median {np.median(part):.4f}): it is not the "
        "short-wave "
        "infrared. The cirrus band looks so (Sentinel-2 B10, Landsat 8 B9); give the right band: Sentinel-2 "
        "B11 and B12, Landsat 8 and 9 B6 and B7, Landsat 4 to 7 B5 and B7.",
        stops=True,
        bands=(name,),
    )


def _shifted(bands: _Bands) -> Finding | None:
    """Find the near infrared in the place of swir1: swapped, or bands numbered for another sensor."""
    if not bands.has("nir", "swir1"):
        return None
    reasons = []
    # bare and burnt ground, the reddest there is, reaches 2.5 times its near infrared
    reasons.append((bands.swir1 > 3 * bands.nir) & (bands.swir1 >= 0.15))
    if bands.has("swir2"):
        # gypsum and wet salt, the darkest in swir2 against swir1, keep 0.4 of it
        reasons.append((bands.swir1 >= 0.4) & (bands.swir2 < 0.25 * bands.swir1))
    if bands.has("green"):
        # snow and ice whose near infrared is black, but not the short-wave infrared
        brighter = np.maximum(bands.swir1, bands.swir2) if bands.has("swir2") else bands.swir1
        reasons.append((bands.green >= 0.4) & (bands.nir < 0.25 * bands.green) & (brighter >= 0.3))
    if bands.has("red"):
        plants = bands.plants(0.5)
        if bands.enough(plants) and np.median(bands.swir1[plants] / bands.nir[plants]) > 1.4:
            reasons.append(plants)
    for cells in reasons:
        if bands.enough(cells):
            return _swap(
                ("nir", "swir1"),
                f"{cells.sum() / bands.size:.0%} of the cells are brighter in swir1 than any plant, snow "
                "or soil can "
                f"be (swir1 {np.median(bands.swir1[cells]):.2f}, nir {np.median(bands.nir[cells]):.2f}): "
                "the near "
                "infrared stands in its place, or the bands were numbered for another sensor (Landsat 4 to 7 "
                "B4 and B5, Landsat 8 and 9 B5 and B6)",
            )
    return None


def _swirs(bands: _Bands) -> Finding | None:
    """Find swir1 and swir2 swapped: water in leaves makes swir2 the darker one, about half."""
    if not bands.has("red", "nir", "swir1", "swir2"):
        return None
    brighter = (bands.swir2 >= 0.15) & (bands.swir2 > 1.7 * bands.swir1)
    if bands.enough(brighter):  # burnt ground, the extreme, reaches 1.3
        return _swap(
            ("swir2",),
            f"in {brighter.sum() / bands.size:.0%} of the cells it is over 1.7 times as bright as swir1, "
            "as no surface is",
        )
    plants = bands.plants(0.5) & (bands.swir1 > 0.02)
    if not bands.enough(plants) or np.median(bands.swir2[plants] / bands.swir1[plants]) < 1.2:
        return None
    return _swap(
        ("swir1", "swir2"), "plants are brighter in swir2 than in swir1, which water in leaves forbids"
    )


def _blue_and_red(bands: _Bands) -> Finding | None:
    """Find blue and red swapped: bare ground brightens from blue to near infrared."""
    if not bands.has("blue", "green", "red", "nir"):
        return None
    brighter = np.maximum(bands.blue, bands.red)
    ground = (bands.nir >= 0.15) & (bands.nir >= 1.05 * brighter) & (bands.nir <= 2 * brighter)
    share = COLOURED_SHARE
    if bands.has("swir1"):
        ground &= bands.swir1 >= 0.9 * bands.nir
    else:  # trees on snow look like ground
        share *= 2
    turned = ground & (bands.blue > 1.2 * bands.red) & (bands.green > bands.red) & (bands.blue > bands.green)
    upright = ground & (bands.red > 1.2 * bands.blue)
    if not bands.enough(turned, share) or turned.sum() < OUTWEIGHS * upright.sum():
        return None
    return _swap(
        ("blue", "red"),
        f"bare ground is brighter in blue than in red in {turned.sum() / bands.size:.0%} of the cells: the "
        "bands stand "
        "in the order of a picture, or their numbers were swapped",
    )


def _red_and_swir1(bands: _Bands) -> Finding | None:
    """Find red and swir1 swapped: ground redder than twice its green is bright in swir1."""
    if not bands.has("green", "red", "nir", "swir1"):
        return None
    red = (bands.red >= 0.1) & (bands.green < 0.5 * bands.red) & (bands.nir > 1.2 * bands.red)
    turned = red & (bands.swir1 < 0.6 * bands.red)
    upright = red & (bands.swir1 > bands.red)
    if not bands.enough(turned, COLOURED_SHARE) or turned.sum() < OUTWEIGHS * upright.sum():
        return None
    return _swap(("red", "swir1"), "red ground is dark in swir1, where ground is brightest")


def _one_visible_dark(bands: _Bands) -> Finding | None:
    """Find a visible band that is black where the other two are white: no surface has such a colour."""
    if not bands.has("blue", "green", "red"):
        return None
    for name, others in (("blue", ("green", "red")), ("green", ("blue", "red")), ("red", ("blue", "green"))):
        least = np.minimum(bands.values[others[0]], bands.values[others[1]])
        black = (least >= 0.3) & (bands.values[name] < 0.3 * least)
        if bands.enough(black):
            return _swap(
                (name,),
                f"it reflects {np.median(bands.values[name][black]):.2f} where {_listed(others)} reflect "
                f"{np.median(least[black]):.2f}",
            )
    return None


def _visible_over_plants(bands: _Bands) -> Finding | None:
    """Find green swapped with blue or red: plants are green."""
    if not bands.has("green", "red", "nir"):
        return None
    # the dark cells of dense plants are where noise rules: they do not count
    if bands.has("blue"):
        plants = bands.plants(0.5) & (bands.green > 0.01)
        if bands.enough(plants) and np.median(bands.blue[plants] / bands.green[plants]) > 1.5:
            return _swap(("blue", "green"), "plants are far brighter in blue than in green")
    plants = bands.plants(0.6) & (bands.green > 0.01)
    if bands.enough(plants) and np.median(bands.red[plants] / bands.green[plants]) > 1.2:
        return _swap(("green", "red"), "dense plants are brighter in red than in green")
    if bands.enough(plants) and np.median(bands.green[plants] / bands.nir[plants]) > 0.42:
        return _swap(("green",), "dense plants are nearly half as bright in green as in near infrared")
    return None


def _swap(names: tuple[str, ...], reason: str) -> Finding:
    """Tell of swapped bands: it concerns them all, since nobody knows what the others hold then."""
    verb = "are not what their names say" if len(names) > 1 else "is not what its name says"
    return Finding(
        f"{_listed(names)} {verb}: {reason}. Check which band of the file is which (--bands).", stops=True
    )


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


# --- the sample ------------------------------------------------------------------------------------------

Window = tuple[int, int, int, int]
"""row0, row1, col0, col1."""


@dataclass
class _Sample:
    """Values of the same cells in every band that could be read."""

    grids: dict[str, Grid] = field(default_factory=dict)
    values: dict[str, Values] = field(default_factory=dict)
    kinds: dict[str, Any] = field(default_factory=dict)  # dtype of the numbers
    saturated: dict[str, float] = field(default_factory=dict)  # share of the known cells
    clouds: Cells | None = None

    def clear(self) -> dict[str, Values]:
        """The values without cloud, as far as the scene knows it."""
        if self.clouds is None:
            return self.values
        return {name: np.where(self.clouds, np.float32(np.nan), part) for name, part in self.values.items()}


def _sample(scene: Scene, grids: Mapping[str, Grid], findings: list[Finding]) -> _Sample:
    """Read the same places of every band; a band that cannot be read is a finding."""
    sample = _Sample()
    finest = min(grids.values(), key=_cell)
    windows: list[Window] = []
    for name, grid in grids.items():
        band = scene.bands[name]
        try:
            if not windows:
                windows = _windows(scene, band, finest)
            values = _at(windows, finest, grid, _reader(band))
            numbers = _at(windows, finest, grid, _number_reader(band))
        except BadInput as error:
            findings.append(Finding(f"{name} cannot be used: {error}", stops=True, bands=(name,)))
            continue
        sample.grids[name] = grid
        sample.values[name] = values
        sample.kinds[name] = np.dtype(pixels.dataset(band.source).dtypes[band.position - 1])
        known = np.isfinite(values)
        if known.any() and sample.kinds[name].kind in "iu":
            end = np.iinfo(sample.kinds[name]).max
            sample.saturated[name] = float((numbers[known] == end).mean())
    if scene.quality is not None and windows:
        _add_quality(scene, sample, windows, finest, findings)
    return sample


def _add_quality(
    scene: Scene, sample: _Sample, windows: list[Window], finest: Grid, findings: list[Finding]
) -> None:
    """Read where the scene's quality layer sees cloud, and which bands it calls saturated."""
    quality = scene.quality
    if quality is None:
        return
    try:
        grid = pixels.grid_of(quality.source)
        where = _elsewhere(grid, finest)
        if where is not None:
            findings.append(
                Finding(
                    f"The quality layer lies elsewhere than the bands: {where}. Copy it again.", stops=True
                )
            )
            return
        codes = _at(
            windows, finest, grid, lambda cells: pixels.numbers(quality.source, quality.position, cells)
        )
        flags = quality.flags[np.nan_to_num(codes).astype(np.intp) % quality.flags.size]
        sample.clouds = (flags & int(Flag.CLOUD | Flag.DILATED_CLOUD | Flag.CIRRUS)) != 0
        if quality.saturation is not None:
            source = quality.saturation
            grid = pixels.grid_of(source)
            bits = _at(windows, finest, grid, lambda cells: pixels.numbers(source, 1, cells))
            for name, bit in quality.saturation_bits.items():
                known = np.isfinite(sample.values[name]) if name in sample.values else np.zeros(1, np.bool_)
                if known.any():
                    told = (np.nan_to_num(bits).astype(np.int64)[known] >> bit) & 1
                    sample.saturated[name] = max(sample.saturated.get(name, 0.0), float(told.mean()))
    except BadInput as error:
        findings.append(Finding(f"The quality layer cannot be used: {error}", stops=True))


def _reader(band: Band) -> Callable[[Window], NDArray[Any]]:
    return lambda cells: pixels.calibrated(
        band.source, band.position, cells, (band.scale, band.offset, band.nodata)
    )


def _number_reader(band: Band) -> Callable[[Window], NDArray[Any]]:
    return lambda cells: pixels.numbers(band.source, band.position, cells)


def _windows(scene: Scene, band: Band, grid: Grid) -> list[Window]:
    """Choose the places to look at: spread over the scene's footprint, where ``band`` has values."""
    rows, columns = grid.shape
    if rows * columns <= SMALL_CELLS:
        return [(0, rows, 0, columns)]
    native, read = pixels.grid_of(band.source), _reader(band)
    full: list[Window] = []
    poor: list[Window] = []
    for window in _candidates(scene, grid, pixels.block_shape(band.source, band.position)):
        share = float(np.isfinite(_at([window], grid, native, read)).mean())
        if share >= ENOUGH_KNOWN:
            full.append(window)
        elif share > 0:
            poor.append(window)
        if len(full) == PLACES:
            break
    # without any value, some places are kept: other bands may have values there
    return sorted((full + poor)[:PLACES]) or _candidates(scene, grid, (1, 1))[:PLACES]


def _candidates(scene: Scene, grid: Grid, block: tuple[int, int]) -> list[Window]:
    """List windows on a lattice, those of the footprint first, neighbours far apart."""
    rows, columns = grid.shape
    height, width = min(PLACE_CELLS, rows), min(PLACE_CELLS, columns)
    order = [step * _STRIDE % LATTICE**2 for step in range(LATTICE**2)]
    found = []
    for place in order:
        row, column = divmod(place, LATTICE)
        top = _inside_block(int((row + 0.5) / LATTICE * rows) - height // 2, height, block[0], rows)
        left = _inside_block(int((column + 0.5) / LATTICE * columns) - width // 2, width, block[1], columns)
        found.append((top, top + height, left, left + width))
    middles = np.array([((top + bottom) / 2, (left + right) / 2) for top, bottom, left, right in found])
    longitude, latitude = to_geographic(grid.crs).transform(*grid.centres(middles[:, 0], middles[:, 1]))
    inside = shapely.contains_xy(scene.footprint, longitude, latitude)
    # beyond the antimeridian footprints go on to more than 180 degrees
    inside |= shapely.contains_xy(scene.footprint, np.asarray(longitude) + 360, latitude)
    ordered = [window for window, there in zip(found, inside, strict=True) if there]
    ordered += [window for window, there in zip(found, inside, strict=True) if not there]
    return list(dict.fromkeys(ordered))


def _inside_block(start: int, size: int, block: int, end: int) -> int:
    """Move a window so that it lies in one block, where blocks are larger: each is decoded as a whole."""
    start = min(max(start, 0), end - size)
    if block >= size:
        first = start // block * block
        start = min(start, max(first, min(first + block, end) - size))
    return start


def _at(
    windows: list[Window], finest: Grid, grid: Grid, read: Callable[[Window], NDArray[Any]]
) -> NDArray[Any]:
    """Read the cells of windows of ``finest`` from a raster on ``grid``, the nearest ones; NaN outside it."""
    parts = []
    for window in windows:
        if grid is finest or grid.same_as(finest):
            parts.append(read(window).ravel())
            continue
        row0, row1, col0, col1 = window
        rows, columns = np.mgrid[row0:row1, col0:col1].reshape(2, -1)
        row, column = grid.cells_of(*finest.centres(rows, columns))
        inside = (row >= 0) & (row < grid.shape[0]) & (column >= 0) & (column < grid.shape[1])
        if not inside.any():
            parts.append(np.full(row.size, np.nan, np.float32))
            continue
        top, left = int(row[inside].min()), int(column[inside].min())
        block = read((top, int(row[inside].max()) + 1, left, int(column[inside].max()) + 1))
        if inside.all():
            parts.append(block[row - top, column - left])
        else:
            part = np.full(row.size, np.nan, np.float32)
            part[inside] = block[row[inside] - top, column[inside] - left]
            parts.append(part)
    return np.concatenate(parts)
