"""`bluepeace shares`: whose land given polygons lie on."""

import logging
from pathlib import Path
from typing import Final

import shapely

from bluepeace_gis.archive import features, tables
from bluepeace_gis.geo import zones
from bluepeace_gis.workflows.publishing import Record, publishing, require_ending, require_places
from bluepeace_gis.workflows.result import Result

log = logging.getLogger(__name__)

LINEAGE: Final = (
    "Overlay of polygons with one set of borders; areas on the ellipsoid; land that the polygons of several "
    "countries cover is counted once, in a row of its own."
)
NAME_COLUMNS: Final = ("name", "outlet_id")


def shares(
    polygons: Path,
    *,
    countries: Path,
    country_field: str,
    out: Path,
    zone_field: str | None = None,
) -> Result:
    """Tell which country holds what share of given polygons.

    Parameters
    ----------
    polygons
        Basins or any other polygons with a coordinate reference system.
    countries
        Polygons of the countries, one set of boundaries for all of them.
    country_field
        Their column with the names.
    out
        The CSV to write: zone, country, area_km2, share_pct. Beside it comes the STAC item.
    zone_field
        Column of POLYGONS that names them; name or outlet_id where there is one, else their number.

    Returns
    -------
    Result
        ``out``; how many polygons there are and the area of all of them.

    Raises
    ------
    BluepeaceError
        In one sentence: found, expected, way out.
    """
    require_ending(out, ".csv", "table")
    require_places({"out": out}, {"polygons": polygons, "countries": countries})
    log.info("reading", extra={"done": 0.0})
    layer = features.read(polygons, holding="polygons")
    land = features.read(countries, holding="polygons")
    if zone_field is None:
        named = [name for name in NAME_COLUMNS if name in layer.columns and layer[name].is_unique]
        zone_field = named[0] if named else None
    log.info("dividing", extra={"done": 0.2})
    table = zones.shares(layer, land, country_field, zone_field=zone_field)
    log.info("writing", extra={"done": 0.9})
    record = Record(
        title=f"Country shares of {polygons.stem}",
        lineage=LINEAGE,
        footprint=shapely.box(*layer.total_bounds),
        crs=layer.crs,
        inputs={"polygons": polygons, "countries": countries},
        parameters={"country_field": country_field, "zone_field": zone_field, "out": out},
        method={"sliver_share": zones.SLIVER},
    )
    with publishing(out, record) as work:
        tables.write(table, work / out.name)
    log.info("done", extra={"done": 1.0})
    return Result({"out": out}, {"zones": len(layer), "area_km2": float(table["area_km2"].sum())})
