"""Blue Peace for QGIS: asks the `bluepeace` command and shows its answers; computes nothing itself."""


def classFactory(iface):
    """Make the plugin: QGIS calls this once when the plugin is enabled, with None in qgis_process."""
    from .plugin import BluePeacePlugin  # noqa: PLC0415 - QGIS reads this file of any plugin

    return BluePeacePlugin(iface)
