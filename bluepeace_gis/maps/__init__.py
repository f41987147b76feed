"""Look: one table of colours for every layer, styles for QGIS, and pictures to look at first."""
