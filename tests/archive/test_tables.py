"""Tables as CSV: the same bytes everywhere, all digits, and no half-written file."""

import numpy as np
import pandas as pd
import pytest

from bluepeace_gis.archive import tables
from bluepeace_gis.errors import NotWritten


def test_numbers_keep_their_digits_and_names_their_letters(tmp_path):
    table = pd.DataFrame({"zone": ["Сырдарья, нижняя", "Talvria"], "area_km2": [0.1 + 0.2, np.nan]})

    path = tables.write(table, tmp_path / "shares.csv")

    assert path.read_bytes() == 'zone,area_km2\n"Сырдарья, нижняя",0.30000000000000004\nTalvria,\n'.encode()
    pd.testing.assert_frame_equal(pd.read_csv(path), table)


def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path):
    (tmp_path / "shares.csv").mkdir()
    with pytest.raises(NotWritten):
        tables.write(pd.DataFrame({"a": [1]}), tmp_path / "shares.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["shares.csv"]
