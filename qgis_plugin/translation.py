"""Sentences in the language of the user."""

from qgis.PyQt.QtCore import QCoreApplication


class Translated:
    """Gives `self.tr`, under the class that wrote the sentence: pylupdate files each under that name."""

    def tr(self, sentence):
        """Translate a sentence written in the class of this object or in one it builds on."""
        for written_in in type(self).__mro__:
            translated = QCoreApplication.translate(written_in.__name__, sentence)
            if translated != sentence:
                return translated
        return sentence
