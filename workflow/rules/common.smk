# What the rules share: the checked configuration, paths, and inputs by name.
import json
import shlex
import sys
from pathlib import Path

from snakemake.utils import update_config

ROOT = Path(workflow.current_basedir).parents[1]
# Snakemake puts the Snakefile's folder on the path: images, and files named like modules, may be
# downloaded into it.
others = [path for path in sys.path if Path(path).resolve() != ROOT.resolve()]
sys.path[:] = [str(ROOT / "scripts"), *others]

from pixelmill.app import config as settings
from pixelmill.app import workflow_setup
from pixelmill.core.errors import UserError
from pixelmill.core.fingerprints import code_of
from pixelmill.core.project import PACKAGE
from pixelmill.core.safe_path import protect_children
from pixelmill.dataset.shards import Shard, all_of
from pixelmill.imaging.fingerprint import rendering_software

workflow_setup.prefer_this_python()
protect_children()
workflow_setup.announce_runner(
    any(kind.name == "ALL" for kind in workflow.output_settings.quiet or ())
)

# Own steps are looked for beside the config files, those of the command line first.
BASE = workflow_setup.folders_of(workflow.configfiles)

try:
    # Snakemake reads what stands in a map after --config as text; YAML knows better.
    update_config(config, settings.typed(dict(workflow.config_settings.config)))
    CONFIG = settings.complete(config, BASE)
except UserError as error:
    sys.exit(f"config: {error}")

RUN = CONFIG["run"]
RESULTS = CONFIG["results"]
TREE = f"{RESULTS}/{{dataset}}/{{recipe}}/{{engine}}"
SHARDED = CONFIG["scale"]["shards"] > 1
ENGINES = list(dict.fromkeys(["sequential", *RUN["engines"]]))


wildcard_constraints:
    dataset="|".join(CONFIG["datasets"]),
    recipe="|".join(CONFIG["recipes"]),
    engine="sequential|threads|processes|futures|distributed|auto",
    shard=r"[0-9]+-of-[0-9]+",


def hold_folder():
    """Let no other run work in this folder, and none write through links."""
    try:
        workflow_setup.hold()
        workflow_setup.check_links(CONFIG)
    except UserError as error:
        sys.exit(f"config: {error}")


def code(script):
    """A script and the modules that it uses, relative to where Snakemake runs."""
    return [os.path.relpath(path) for path in code_of(script)]


def as_json(value):
    """A slice of the config in a fixed form: another order of keys is no change."""
    return json.dumps(value, sort_keys=True)


def section(name):
    """A whole section of the config in a fixed form: a script takes from it what it needs."""
    return as_json(CONFIG[name])


def folder(wildcards):
    """Where a dataset's images lie."""
    dataset = CONFIG["datasets"][wildcards.dataset]
    return dataset.get("folder", f"resources/{wildcards.dataset}")


def selection(wildcards):
    """Which of a folder's files belong to a dataset."""
    return as_json(workflow_setup.selection(CONFIG["datasets"][wildcards.dataset]))


def fingerprint(wildcards):
    """What a folder, or a shard of it, holds now: so a new, changed or removed file is seen."""
    if not workflow.is_main_process:
        return ""
    shard = Shard.parse(wildcards.get("shard", "1-of-1"))
    return workflow_setup.fingerprint(CONFIG["datasets"][wildcards.dataset], shard)


def generated(wildcards):
    """The mark of a generated dataset; nothing for a user's folder."""
    dataset = CONFIG["datasets"][wildcards.dataset]
    return (
        f"{RESULTS}/{wildcards.dataset}/generated.json" if "generate" in dataset else []
    )


def token(wildcards):
    """What generated images are known by: a new one where some are gone."""
    return workflow_setup.token(wildcards.dataset)


def checks_token(wildcards):
    """What a tree's checks are known by: a new one as long as they fail."""
    path = f"{RESULTS}/{wildcards.dataset}/{wildcards.recipe}/{wildcards.engine}/verification.json"
    return workflow_setup.checks_token(path)


def measured(wildcards):
    """What the benchmarks hold now: the report shows them, and must not make them."""
    paths = expand(
        f"{RESULTS}/{{dataset}}/{{recipe}}/{{measured}}.json",
        dataset=RUN["datasets"],
        recipe=RUN["recipes"],
        measured=["scaling", "rivals"],
    )
    return workflow_setup.digest(paths) if workflow.is_main_process else ""


def recipe(wildcards):
    """A recipe as the config has it, in a fixed form."""
    return as_json(CONFIG["recipes"][wildcards.recipe])


def own_steps(wildcards):
    """Files of a recipe's own steps, and those that its steps read."""
    return list(settings.recipe_files(CONFIG, wildcards.recipe, BASE))


def comparable_recipes():
    """Recipes that other tools can do too."""
    return [name for name in RUN["recipes"] if settings.has_rivals(CONFIG, name, BASE)]


def policy():
    """How passes treat what they find, in a fixed form."""
    run = {key: RUN[key] for key in ("check_outputs", "retry_failed")}
    failures = {"stop_on_first": CONFIG["failures"]["stop_on_first"]}
    parts = {
        key: CONFIG[key]
        for key in ("limits", "removals", "collisions", "durable", "sandbox")
    }
    return as_json({**parts, "run": run, "failures": failures})


def scheduler(wildcards):
    """Options that lead the engine `distributed` to its workers."""
    if wildcards.engine != "distributed":
        return ""
    scale = CONFIG["scale"]
    options = ["--scheduler", scale["scheduler"]]
    if scale["tls"]:
        options += ["--tls", *(scale["tls"][part] for part in ("ca", "cert", "key"))]
    return shlex.join(options)


def software(wildcards):
    """Versions of the libraries that decide pixels."""
    opencv = settings.uses_opencv(CONFIG, wildcards.recipe, BASE)
    return as_json(rendering_software(opencv))


def shards():
    """Names of all shards of a dataset."""
    return [str(shard) for shard in all_of(CONFIG["scale"]["shards"])]


def trees(engines):
    """Output trees of all datasets and recipes to be run, by these engines."""
    return expand(TREE, dataset=RUN["datasets"], recipe=RUN["recipes"], engine=engines)
