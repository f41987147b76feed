"""The order of the steps: read, analyse, write, draw; paths in, paths out; one function a command."""

from bluepeace_gis.workflows.result import Result

__all__ = ["Result"]
