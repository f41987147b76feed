"""Files: rasters, features, complete products, and where they come from.

``rasters`` reads any raster into one shape and writes COGs; ``features`` reads any vector layer and
writes GeoPackages; ``products`` lets a name appear only when everything behind it is complete;
``provenance`` writes the STAC item from which the other side can repeat a product.
"""
