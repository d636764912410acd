"""Passes as most tests run them: in sequence, with paths of any kind and options by name."""

from pixelmill.pipeline import planning, runner
from pixelmill.pipeline.request import ProcessRequest


def process_folder(source, target, recipe, engine="sequential", workers=1, **options):
    """Run a pass; options are attributes of a request, and the path of a catalog."""
    catalog = options.pop("catalog", None)
    request = ProcessRequest(str(source), str(target), recipe, engine, workers, **options)
    return runner.process_folder(request, catalog)


def preview(source, target, recipe, entries):
    """Plan a pass."""
    return planning.preview(ProcessRequest(str(source), str(target), recipe), entries)
