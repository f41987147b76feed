"""Figures of others that several tests compare with, each with its source."""

# pyflwdir's Rhine (Deltares, MIT): cells of the parts 1 to 9 after Pfafstetter.
RHINE_PARTS_CELLS = [4654, 59739, 41995, 50077, 21066, 49051, 66115, 27167, 29983]
