"""Resolve output names over a set of sources."""

from pixelmill.dataset.output_names import Source, plain_name, renamed


def name_outputs(sources, suffix):
    """Output path by source, with the same suffix for all."""
    sources = list(sources)
    others = renamed(lambda: [Source(source, suffix) for source in sources])
    return {source: others.get(source) or plain_name(Source(source, suffix)) for source in sources}
