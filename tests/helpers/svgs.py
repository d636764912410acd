"""What a chart shows: its texts, its shapes with their titles, and where they are."""

import re
from xml.etree import ElementTree


class Drawn:
    """A chart as SVG, parsed."""

    def __init__(self, svg):
        self.root = ElementTree.fromstring(str(svg))
        self.description = self.root.get("aria-label")
        self.width, self.height = map(float, self.root.get("viewBox").split()[2:])

    def all(self, tag):
        """Elements of a kind, in the order in which they are drawn."""
        return self.root.findall(tag)

    @property
    def texts(self):
        """Texts with the position of each."""
        return [(e.text, float(e.get("x")), float(e.get("y"))) for e in self.all("text")]

    @property
    def words(self):
        """Texts alone."""
        return [text for text, _, _ in self.texts]

    def place(self, text):
        """Position of the only text of these words."""
        ((_, x, y),) = [found for found in self.texts if found[0] == text]
        return x, y

    @property
    def dots(self):
        """Circles: position, colour and title of each."""
        return [
            (float(e.get("cx")), float(e.get("cy")), e.get("fill"), self.title(e))
            for e in self.all("circle")
        ]

    @property
    def lines(self):
        """Lines: points, colour and title of each."""
        return [
            (points(e.get("d")), e.get("stroke"), self.title(e))
            for e in self.all("path")
            if e.get("stroke")
        ]

    @property
    def bars(self):
        """Rectangles: left, top, width, height, colour and title of each."""
        sides = ("x", "y", "width", "height")
        return [
            (*(float(e.get(s)) for s in sides), e.get("fill"), self.title(e))
            for e in self.all("rect")
        ]

    @staticmethod
    def title(element):
        """What hovering over an element shows."""
        found = element.find("title")
        return "" if found is None else found.text


def points(path):
    """Points of a path of straight lines."""
    return [(float(x), float(y)) for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path)]
