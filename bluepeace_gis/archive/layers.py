"""Read a GeoPackage of ours whole: every layer and table of it, empty ones too."""

import warnings
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio
import pyogrio.errors

from bluepeace_gis.archive.inputs import require_file
from bluepeace_gis.errors import BadInput

_OF_QGIS = "layer_styles"


def read(path: Path | str) -> dict[str, gpd.GeoDataFrame | pd.DataFrame]:
    """Read all layers of a GeoPackage.

    Parameters
    ----------
    path : path

    Returns
    -------
    {name: GeoDataFrame or DataFrame}
        In their order; a DataFrame where there is no geometry.

    Raises
    ------
    BadInput
        If it is missing or cannot be read.
    """
    file = Path(path)
    require_file(file)
    try:
        with warnings.catch_warnings():
            # of OGR about details of the file that do not change what is read
            warnings.simplefilter("ignore", RuntimeWarning)
            return {
                str(name): pyogrio.read_dataframe(file, layer=str(name))
                for name, _ in pyogrio.list_layers(file)
                if name != _OF_QGIS
            }
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, ValueError) as error:
        said = " ".join(str(error).split(";")[0].split()).rstrip(".")
        raise BadInput(
            f"{file} cannot be read: {said}. It is damaged or no GeoPackage; make it again or copy it from "
            "its source."
        ) from error
