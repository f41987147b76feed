"""The season of an archive against odc-stac and dask: NDVI median of ten large scenes, archive to COG.

Both read the same files, Cloud Optimized GeoTIFFs of red and near infrared as HLS ships them, and both
end with a Cloud Optimized GeoTIFF of the median on the disk. Neither masks: the scenes have no quality
layer, only fill.
"""

import datetime as dt
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SCENES, CELLS, CELL_M = 10, 7000, 30.0
LEFT, TOP = 399_960.0, 4_600_020.0  # of MGRS tile 42T, where HLS would put it
FIRST = dt.datetime(2023, 4, 10, 6, 12, 34, tzinfo=dt.UTC)
BANDS = {"B04": "red", "B05": "nir"}
BARE, GREEN = {"B04": 0.22, "B05": 0.28}, {"B04": 0.05, "B05": 0.45}
FILL = -9999


def make_archive(folder, cells=CELLS, scenes=SCENES):
    """Write the scenes: fields that turn green and bare again, noise of the sensor, a swath edge."""
    with ThreadPoolExecutor(2) as pool:
        list(
            pool.map(lambda number: _make_scene(Path(folder), number, cells), range(scenes))
        )  # zlib lets other threads run


def _make_scene(folder, number, cells):
    import numpy as np
    import rasterio
    from affine import Affine

    rng = np.random.default_rng(number)
    day = FIRST + dt.timedelta(days=16 * number)
    fields = np.random.default_rng(99).random((cells // 20 + 1, cells // 20 + 1), np.float32)
    season = np.exp(-(((np.arange(SCENES)[number] - 2 - 6 * fields) / 2.5) ** 2)).astype(np.float32)
    green = np.kron(season, np.ones((20, 20), np.float32))[:cells, :cells]
    for band in BANDS:
        values = BARE[band] + (GREEN[band] - BARE[band]) * green
        values += rng.standard_normal(green.shape, np.float32) * 0.004
        numbers = np.round(values * 10_000).astype(np.int16)
        numbers[:, : 50 + 20 * number] = FILL
        name = f"HLS.L30.T42TXM.{day:%Y%jT%H%M%S}.v2.0.{band}.tif"
        profile = {
            "driver": "COG",
            "dtype": "int16",
            "count": 1,
            "width": cells,
            "height": cells,
            "crs": "EPSG:32642",
            "transform": Affine(CELL_M, 0, LEFT, 0, -CELL_M, TOP),
            "nodata": FILL,
            "compress": "DEFLATE",
            "predictor": "YES",
            "blocksize": 256,  # of the real ones
            "overview_resampling": "NEAREST",
        }
        with rasterio.open(folder / name, "w", **profile) as sink:
            sink.write(numbers, 1)
            sink.update_tags(SENSING_TIME=f"{day:%Y-%m-%dT%H:%M:%S}Z", cloud_coverage="3")
            sink.scales = (1e-4,)


def run_ours(folder, out):
    """Make the median by the command's own workflow."""
    from bluepeace_gis.workflows.season import season

    season(
        [Path(folder)],
        from_=dt.date(2023, 4, 1),
        to=dt.date(2023, 12, 31),
        statistic="median",
        out=Path(out),
        memory_mb=800,
    )


def run_odc(folder, out):
    """Make it as the documentation of odc-stac does: load lazily, compute by dask on two workers."""
    import dask
    import numpy as np
    import odc.geo.xr  # registers DataArray.odc
    import odc.stac
    import pystac
    import rasterio
    import rasterio.warp

    items = []
    for first in sorted(Path(folder).glob("*.B04.tif")):
        stem = first.name.removesuffix(".B04.tif")
        day = dt.datetime.strptime(stem.split(".")[3], "%Y%jT%H%M%S").replace(tzinfo=dt.UTC)
        with rasterio.open(first) as file:
            box, shape, transform = file.bounds, file.shape, list(file.transform)[:6]
        item = pystac.Item(stem, None, None, day, {"proj:epsg": 32642, "proj:shape": shape})
        item.stac_extensions.append("https://stac-extensions.github.io/projection/v1.1.0/schema.json")
        item.properties["proj:transform"] = transform
        item.bbox = list(rasterio.warp.transform_bounds("EPSG:32642", "EPSG:4326", *box))
        west, south, east, north = item.bbox
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        item.geometry = {"type": "Polygon", "coordinates": [ring]}
        for band, name in BANDS.items():
            href = str(first.with_name(f"{stem}.{band}.tif"))
            item.add_asset(name, pystac.Asset(href, media_type="image/tiff", roles=["data"]))
        items.append(item)
    loaded = odc.stac.load(
        items,
        bands=list(BANDS.values()),
        crs="EPSG:32642",
        resolution=CELL_M,
        chunks={"x": 2048, "y": 2048},
        groupby="time",
        nodata=FILL,
        dtype="int16",
    )
    red, nir = (loaded[name].where(loaded[name] != FILL).astype("float32") * 1e-4 for name in ("red", "nir"))
    index = (nir - red) / (nir + red)
    median = index.chunk({"time": -1}).median("time").astype(np.float32)
    with dask.config.set(scheduler="threads", num_workers=2):
        values = median.compute()
    Path(out).mkdir(parents=True, exist_ok=True)
    values.odc.write_cog(Path(out) / "median.tif", overwrite=True)


PROGRAMS = {"bluepeace": run_ours, "odc-stac": run_odc}


def main():
    """Run one program on one archive and print what it took, from the first import on."""
    from benchmark import peak_mb, start_memory

    who, archive, out = sys.argv[1:4]
    start_memory()  # of the whole process
    started = time.perf_counter()
    PROGRAMS[who](archive, out)
    print(json.dumps({"seconds": time.perf_counter() - started, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
