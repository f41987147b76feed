"""The window "Engine": which program does the work, and whether it answers."""

from qgis.core import QgsApplication, QgsSettings, QgsTask
from qgis.PyQt.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
)

from .engine import SETTING, Engine, EngineFailed, EngineMissing, Finder, find_program
from .translation import Translated


class EngineDialog(Translated, QDialog):
    """State of the engine, a place to name another one, a button to test it."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setWindowTitle(self.tr("Blue Peace: engine"))
        self.setMinimumWidth(560)
        self.testing = None
        self.closed = False

        about = QLabel(
            self.tr(
                "The work is done by the Python package bluepeace-gis in a Python (3.11 or newer) of its "
                "own. Name that Python, or its bluepeace command. Empty: the environment variable "
                "BLUEPEACE_PYTHON, then the environment in this QGIS profile, then bluepeace on PATH."
            )
        )
        about.setWordWrap(True)
        self.place = QLineEdit(str(QgsSettings().value(SETTING, "") or ""))
        self.place.setPlaceholderText(self.tr("Python or bluepeace command"))
        browse = QPushButton(self.tr("Browse…"))
        browse.clicked.connect(self.browse)
        self.test_button = QPushButton(self.tr("Test"))
        self.test_button.clicked.connect(self.test)
        row = QHBoxLayout()
        for widget in (self.place, browse, self.test_button):
            row.addWidget(widget)
        self.state = QLabel()
        self.state.setWordWrap(True)
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(about)
        column.addLayout(row)
        column.addWidget(self.state)
        column.addWidget(buttons)
        self.about = about
        self.test()

    def showEvent(self, event):
        """Make room for sentences of several lines, in whatever language and font."""
        super().showEvent(event)
        self.make_room()

    def make_room(self):
        """Let both texts be read whole: Qt guesses the height of a wrapped label before its width."""
        for label in (self.about, self.state):
            label.setMinimumHeight(label.heightForWidth(label.width()))

    def say(self, text):
        """Show the state of the engine."""
        self.state.setText(text)
        self.make_room()

    def browse(self):
        """Let the user point at the program."""
        path, _ = QFileDialog.getOpenFileName(self, self.tr("Python or bluepeace command"), self.place.text())
        if path:
            self.place.setText(path)
            self.test()

    def chosen(self):
        """Give the engine that the line names, or the one found without it."""
        place = self.place.text().strip()
        if not place:
            return Finder().find(setting="")
        program = find_program(place)
        if program is None:
            raise EngineMissing(self.tr("{place} is not a program that can be run.").format(place=place))
        return Engine(program, self.tr("this window"))

    def test(self):
        """Ask the engine who it is, in the background: a first start can take a minute."""
        if self.testing is not None:
            return
        try:
            engine = self.chosen()
        except EngineMissing as missing:
            self.say(str(missing))
            return
        self.say(self.tr("Asking {engine} …").format(engine=engine))
        self.test_button.setEnabled(False)
        self.testing = QgsTask.fromFunction(
            self.tr("Testing the bluepeace engine"),
            lambda task: self.ask(engine, task),
            on_finished=self.show_answer,
        )
        QgsApplication.taskManager().addTask(self.testing)

    def ask(self, engine, task):
        """Run in the background; a task can be asked isCanceled() like a feedback."""
        try:
            identity = engine.handshake(task)
        except (EngineFailed, EngineMissing) as failure:
            return str(failure)
        return self.tr(
            "Works: version {version}, protocol {protocol}, GDAL {gdal}, PROJ {proj}. Named by {origin}."
        ).format(
            version=identity.get("version"),
            protocol=identity.get("protocol"),
            gdal=identity.get("gdal"),
            proj=identity.get("proj"),
            origin=engine.origin,
        )

    def show_answer(self, problem, answer=None):
        """Say what came of it, if the window is still there."""
        self.testing = None
        if not self.closed:
            self.test_button.setEnabled(True)
            self.say(str(problem or answer))

    def accept(self):
        """Keep the choice."""
        QgsSettings().setValue(SETTING, self.place.text().strip())
        super().accept()

    def done(self, code):
        """Close, whatever the test is still waiting for."""
        self.closed = True
        if self.testing is not None:
            self.testing.cancel()
        super().done(code)
