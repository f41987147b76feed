"""Scenes as they lie on the disk: recognised by their metadata, read calibrated, whatever the sensor."""

from bluepeace_gis.archive.scenes.opening import find, open_scene
from bluepeace_gis.archive.scenes.scene import Band, Scene

__all__ = ["Band", "Scene", "find", "open_scene"]
