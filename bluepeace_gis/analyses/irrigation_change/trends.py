"""Trends of the irrigated land of zones: Sen's slope with its interval, and Kendall's test for them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bluepeace_gis.analyses.irrigation_change import defaults
from bluepeace_gis.analyses.irrigation_change.accounts import Accounts, trend_series
from bluepeace_gis.kernels import trends

COLUMNS = (
    "trend_ha_per_year", "trend_low", "trend_high", "trend_p", "trend_years", "trend_start_ha",
)  # fmt: skip


def trend_table(accounts: Accounts, years: Sequence[int]) -> pd.DataFrame:
    """Find the trend of each unit.

    Parameters
    ----------
    accounts : Accounts
    years : list of int

    Returns
    -------
    DataFrame
        ``trend_ha_per_year``, hectares a year, with the limits ``trend_low`` and ``trend_high`` of its 95 %
        interval, ``trend_p`` of the two-sided test, ``trend_years`` used, and ``trend_start_ha``, where the
        line stands in the first year. Empty (NaN) where fewer than 5 years are sufficiently decided.

    Notes
    -----
    The slope is the median of the slopes between all pairs of years [1]_, its interval that of Mann and
    Kendall's test with the number of years that autocorrelation leaves [2]_
    (:func:`bluepeace_gis.kernels.trends.trend`). The interval tells of scatter from year to year; it knows
    nothing of errors that all maps share, nor of what was not seen in any year.

    References
    ----------
    .. [1] Sen (1968), doi:10.1080/01621459.1968.10480934
    .. [2] Yue and Wang (2004), doi:10.1023/B:WARM.0000043140.61082.60
    """
    series = trend_series(accounts)
    enough = np.isfinite(series).sum(axis=0) >= defaults.TREND_LEAST_YEARS
    if not enough.any():
        empty = np.full((series.shape[1], len(COLUMNS)), np.nan)
        empty[:, 4] = np.isfinite(series).sum(axis=0)
        return pd.DataFrame(empty, columns=list(COLUMNS))
    found = trends.trend(series, np.array(years, np.int64), confidence=defaults.CONFIDENCE)
    values = [found.slope, found.low, found.high, found.p, found.count, found.intercept]
    table = np.column_stack([np.asarray(each, np.float64) for each in values])
    table[~enough, :4] = np.nan
    table[~enough, 5] = np.nan
    table[~np.isfinite(table)] = np.nan  # limits that too few years leave open
    return pd.DataFrame(table, columns=list(COLUMNS))
