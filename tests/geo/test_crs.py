import pytest

from bluepeace_gis.errors import UnknownCrs
from bluepeace_gis.geo.crs import geographic, horizontal, label, same_crs, unbound, unit

# As GDAL reads a GeoTIFF whose keys give the parameters of UTM 42N and only the ellipsoid of its datum.
UNNAMED_UTM_42 = (
    'PROJCS["unnamed",GEOGCS["Unknown datum based upon the WGS 84 ellipsoid",'
    'DATUM["Not specified (based on WGS 84 spheroid)",SPHEROID["WGS 84",6378137,298.257223563]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
    'PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",69],PARAMETER["scale_factor",0.9996],'
    'PARAMETER["false_easting",500000],PARAMETER["false_northing",0],UNIT["metre",1]]'
)
ESRI_UTM_42 = (
    'PROJCS["WGS_1984_UTM_Zone_42N",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",'
    'SPHEROID["WGS_1984",6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],'
    'PROJECTION["Transverse_Mercator"],PARAMETER["False_Easting",500000.0],PARAMETER["False_Northing",0.0],'
    'PARAMETER["Central_Meridian",69.0],PARAMETER["Scale_Factor",0.9996],PARAMETER["Latitude_Of_Origin",0.0],'
    'UNIT["Meter",1.0]]'
)
KRASSOWSKY_BOUND = "+proj=tmerc +lon_0=69 +x_0=12500000 +ellps=krass +towgs84=24.47,-130.89,-81.56"
GOOGLE_MERCATOR = "+proj=merc +a=6378137 +b=6378137 +units=m +nadgrids=@null +no_defs"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("EPSG:32642", UNNAMED_UTM_42),
        ("EPSG:32642", ESRI_UTM_42),
        ("EPSG:32642", "+proj=utm +zone=42 +datum=WGS84"),
        ("EPSG:32642", "+proj=utm +zone=42 +ellps=WGS84"),
        ("EPSG:32642", "EPSG:32642+5773"),  # with heights above the geoid
        ("EPSG:4326", "OGC:CRS84"),  # longitude first
        ("EPSG:4326", "EPSG:4979"),  # with ellipsoidal heights
        ("EPSG:28412", KRASSOWSKY_BOUND),  # northing first against easting first
        ("EPSG:3857", GOOGLE_MERCATOR),
        ("EPSG:3857", "ESRI:102100"),
    ],
)
def test_the_same_parameters_are_the_same_crs_whatever_their_names(one, other):
    assert same_crs(horizontal(one), horizontal(other))
    assert same_crs(horizontal(other), horizontal(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("EPSG:32642", "EPSG:32643"),
        ("EPSG:32642", "+proj=utm +zone=43 +ellps=WGS84"),
        ("EPSG:32642", "+proj=utm +zone=42 +ellps=krass"),
        ("EPSG:32642", "+proj=utm +zone=42 +datum=WGS84 +units=us-ft"),
        ("EPSG:4258", "EPSG:4269"),  # one ellipsoid, two named datums
        ("EPSG:4326", "+proj=longlat +R=6371000"),
        ("EPSG:4326", "EPSG:3857"),
        ("EPSG:4807", "+proj=longlat +a=6378249.2 +rf=293.466021293627 +pm=paris"),  # grads against degrees
    ],
)
def test_other_parameters_are_another_crs(one, other):
    assert not same_crs(horizontal(one), horizontal(other))


@pytest.mark.parametrize(
    "crs",
    [None, 'LOCAL_CS["plan of a field",UNIT["metre",1]]', "EPSG:5703", "EPSG:4978", "nonsense"],
    ids=["none", "local", "vertical", "geocentric", "unreadable"],
)
def test_what_states_no_area_is_refused_with_the_way_out(crs):
    with pytest.raises(UnknownCrs, match=r"^dem has .*Assign the CRS"):
        horizontal(crs, "dem")


def test_a_compound_crs_keeps_its_horizontal_part():
    assert horizontal("EPSG:7415").to_authority() == ("EPSG", "28992")
    assert len(horizontal("EPSG:4979").axis_info) == 2


def test_a_bound_crs_keeps_its_datum_shift_until_areas_are_asked():
    assert horizontal(KRASSOWSKY_BOUND).is_bound
    assert not unbound(KRASSOWSKY_BOUND).is_bound
    assert geographic(KRASSOWSKY_BOUND).ellipsoid.semi_major_metre == 6_378_245


def test_web_mercator_stands_on_its_ellipsoid_not_on_its_sphere():
    assert geographic(GOOGLE_MERCATOR).ellipsoid.inverse_flattening == 298.257223563


def test_units_of_the_axes():
    assert unit(horizontal("EPSG:2263")) == ("US survey foot", pytest.approx(1200 / 3937))
    assert unit(horizontal("EPSG:4807")) == ("grad", pytest.approx(3.141592653589793 / 200))


def test_labels_name_the_code_or_the_parameters():
    assert label(horizontal("EPSG:32642+5773")) == "EPSG:32642"
    assert label(horizontal("ESRI:102025")) == "ESRI:102025"
    assert label(horizontal("+proj=utm +zone=42 +datum=WGS84")) == (
        "an unnamed CRS (Transverse Mercator: Longitude of natural origin 69 degree, Scale factor at natural "
        "origin 0.9996, False easting 500000 metre; on an ellipsoid of 6378137 by 6356752.314 metre)"
    )
