"""Numbers in a grid: numpy and numba, named by their mathematics; no CRS, no file.

What needs the neighbours of a cell works on tiles and comes in three: *summarise* a tile, *solve*
the rims of all tiles, *finish* a tile. A raster in memory, on disk or on a cluster goes the same way.
"""
