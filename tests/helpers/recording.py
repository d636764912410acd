"""Record real runs for `test_scaling_model.py`: `python -m tests.helpers.recording`.

One worker, two workers, and four shards of two workers each, in turns; of each the
fastest run is kept, because what else a machine does can only slow it down.
"""

import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from pixelmill.app.config import named_recipe
from pixelmill.dataset import catalog
from pixelmill.dataset.output_tree import Workspace
from pixelmill.dataset.shards import WHOLE, all_of
from pixelmill.dataset.synthetic import Spec, generate
from pixelmill.pipeline.request import ProcessRequest
from pixelmill.pipeline.runner import process

COUNT, TURNS = 1000, 9

RUNS = {
    "one worker": ("sequential", 1, [WHOLE]),
    "two workers": ("processes", 2, [WHOLE]),
    "four shards": ("processes", 2, all_of(4)),
}


def record(folder):
    source = f"{folder}/in"
    generate(source, Spec(count=COUNT), 2)
    entries = catalog.scan(source)[0].entries
    recipe = named_recipe("light")
    fastest = {}
    for turn in range(TURNS):
        for name, (engine, workers, shards) in RUNS.items():
            tree = f"{folder}/{name}-{turn}"
            requests = [
                ProcessRequest(source, tree, recipe, engine, workers, name, shard=shard)
                for shard in shards
            ]
            passes = [process(request, entries) for request in requests]
            seconds = sum(one.seconds - one.startup_seconds for one in passes)
            fastest[name] = min(fastest.get(name, (seconds, passes, tree)), (seconds, passes, tree))
    found = {
        name: [
            {
                "images": one.images,
                "seconds": round(one.seconds - one.startup_seconds, 4),
                "startup_seconds": round(one.startup_seconds, 4),
            }
            for one in passes
        ]
        for name, (_, passes, _) in fastest.items()
    }
    with Workspace(fastest["one worker"][2]).open_to_read() as ledger:
        taken = {source: sum(parts) for source, parts in ledger.latencies(COUNT)}
    images = [(e.bytes, e.width, e.height, round(taken[e.path], 5)) for e in entries]
    return {**found, "images": images}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        recorded = record(folder)
    path = Path(__file__).with_name("recorded.json")
    path.write_text(json.dumps(recorded) + "\n", encoding="utf-8")
