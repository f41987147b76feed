"""The list of files and folders in the dialog of an algorithm that takes any number of both."""

from pathlib import Path

from processing.gui.wrappers import WidgetWrapper
from qgis.core import QgsSettings
from qgis.gui import QgsGui, QgsProcessingGui
from qgis.PyQt.QtCore import QSize, Qt
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QListWidget,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from .translation import Translated

LAST_PLACE = "Processing/LastInputPath"  # where QGIS's own dialogs begin too


class PlacesWidget:
    """What Processing calls to make the widget: our list in a dialog, QGIS's own in a batch or a model."""

    def __new__(cls, definition, dialog, row=0, col=0):
        kind = type(dialog).__name__
        registry = QgsGui.processingGuiRegistry()
        if kind == "ModelerParametersDialog":
            wrapper = registry.createModelerParameterWidget(
                dialog.model, dialog.childId, definition, dialog.context
            )
        elif kind == "BatchAlgorithmDialog":
            wrapper = registry.createParameterWidgetWrapper(definition, QgsProcessingGui.WidgetType.Batch)
        else:
            return PlacesWrapper(definition, dialog, row, col)
        wrapper.setDialog(dialog)
        return wrapper


class PlacesWrapper(WidgetWrapper):
    """Hands the list over to Processing.

    By the Python class of Processing: a widget made through the C++ one loses its Python side.
    """

    def createWidget(self):
        widget = Places()
        lines = widget.list.model()
        lines.rowsInserted.connect(self.tell_of_change)
        lines.rowsRemoved.connect(self.tell_of_change)
        return widget

    def tell_of_change(self, *_lines):
        """Let the dialog know."""
        self.widgetValueHasChanged.emit(self)

    def setValue(self, value):
        if value is None or value == "":
            value = []
        self.widget.show_only([value] if isinstance(value, str) else list(map(str, value)))

    def value(self):
        return self.widget.paths() or None


class Places(Translated, QWidget):
    """A list of paths; folders and files are chosen by buttons, or dropped onto it."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self.list = PathList()
        folder = QPushButton(self.tr("Add folder…"))
        folder.clicked.connect(self.choose_folder)
        files = QPushButton(self.tr("Add files…"))
        files.clicked.connect(self.choose_files)
        remove = QPushButton(self.tr("Remove"))
        remove.clicked.connect(self.list.remove_chosen)
        column = QVBoxLayout()
        for button in (folder, files, remove):
            column.addWidget(button)
        column.addStretch()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.list, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(column)

    def paths(self):
        """Give the paths in their order."""
        return self.list.paths()

    def show_only(self, paths):
        """Show these paths and no others."""
        self.list.clear()
        self.list.add(paths)

    def choose_folder(self):
        """Let the user point at a folder; it stays a folder, whatever lies in it."""
        folder = QFileDialog.getExistingDirectory(self, self.tr("Folder of scenes"), self.last_place())
        self.take([folder] if folder else [])

    def choose_files(self):
        """Let the user point at files."""
        files, _ = QFileDialog.getOpenFileNames(
            self, self.tr("Scenes or an index of them"), self.last_place()
        )
        self.take(files)

    def take(self, paths):
        """Add what was chosen, and begin there the next time."""
        if paths:
            QgsSettings().setValue(LAST_PLACE, str(Path(paths[0]).parent))
            self.list.add(paths)

    def last_place(self):
        """Give the folder in which the last choice was made."""
        return str(QgsSettings().value(LAST_PLACE, "") or "")


class PathList(QListWidget):
    """Paths as lines, each once."""

    def __init__(self):
        super().__init__()
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setAcceptDrops(True)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)  # the end of a path tells most
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self):
        """Take the height of the three buttons beside it."""
        return QSize(320, 4 * self.fontMetrics().lineSpacing() + 2 * self.frameWidth() + 24)

    def paths(self):
        """Give the paths in their order."""
        return [self.item(row).text() for row in range(self.count())]

    def add(self, paths):
        """Add those that are not in the list yet."""
        known = set(self.paths())
        for path in paths:
            if path and path not in known:
                known.add(path)
                self.addItem(path)
                self.item(self.count() - 1).setToolTip(path)

    def remove_chosen(self):
        """Take the chosen lines away."""
        for item in self.selectedItems():
            self.takeItem(self.row(item))

    def keyPressEvent(self, event):
        """Let the key for deleting do what the button does."""
        if event.key() == Qt.Key.Key_Delete:
            self.remove_chosen()
        else:
            super().keyPressEvent(event)

    def dragEnterEvent(self, event):
        """Take files and folders of the desktop."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    dragMoveEvent = dragEnterEvent

    def dropEvent(self, event):
        """Add what was dropped."""
        self.add([url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()])
        event.acceptProposedAction()
