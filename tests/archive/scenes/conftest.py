"""Products in the real formats, and nothing left open between tests."""

import pytest
from landsat_files import make_landsat, make_tar, mtl_text, write_tiff

from bluepeace_gis.archive.scenes import pixels


@pytest.fixture(autouse=True)
def nothing_stays_open():
    yield
    pixels.close_all()


@pytest.fixture
def tiff():
    return write_tiff


@pytest.fixture
def landsat(tmp_path):
    """Make a product in the folder of the test."""

    def make(name="LC09_L2SP_152032_20230715_20230717_02_T1", *, parent=tmp_path, **more):
        return make_landsat(parent, name, **more)

    return make


@pytest.fixture
def tar():
    return make_tar


@pytest.fixture
def mtl():
    return mtl_text
