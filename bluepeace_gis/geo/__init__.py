"""Numbers in a grid, and where on Earth they are: CRSs, grids, areas on the ellipsoid, outlines, zones."""
