# What the rules share: the complete configuration, paths, and functions for their inputs and
# parameters.
import json
import shlex
import sys
import time

from snakemake.cli import get_argument_parser
from snakemake.logging import logger

from pixelmill.app import config as settings
from pixelmill.app import run_messages, workflow_setup
from pixelmill.core.errors import UserError
from pixelmill.core.fingerprints import code_of
from pixelmill.core.project import PACKAGE
from pixelmill.core.safe_path import protect_children
from pixelmill.dataset import left_out
from pixelmill.dataset.image_list import ImageList
from pixelmill.dataset.layout import mirror_of, place_of, source_of
from pixelmill.dataset.shards import Shard, all_of
from pixelmill.engines.registry import BASELINE, CHOICES, on_cluster
from pixelmill.imaging.fingerprint import rendering_software

workflow_setup.prefer_this_python()
protect_children()
workflow_setup.announce_runner(
    any(kind.name == "ALL" for kind in workflow.output_settings.quiet or ())
)

# Not in another workflow that uses this one as a module: its messages are not ours to change.
if (
    workflow.is_main_process
    and os.path.realpath(workflow.main_snakefile) in SNAKEFILES
    and not (workflow.output_settings.dryrun or workflow.output_settings.verbose)
):
    run_messages.install(
        logger,
        silent_rules=lambda: {rule.name for rule in workflow.rules if not rule.message},
        is_local=lambda: workflow.local_exec,
    )

CONFIG = LOADED.config
# A user's own steps are searched for beside the config files, those of the command line first.
BASE = LOADED.folders
RUN = CONFIG["run"]
RESULTS = CONFIG["results"]
TREE = f"{RESULTS}/{{dataset}}/{{recipe}}/{{engine}}"
SHARDED = CONFIG["scale"]["shards"] > 1
BEGAN = time.time()
ENGINES = list(dict.fromkeys([BASELINE, *RUN["engines"]]))
INSPECTED = RUN["datasets"] if CONFIG["metrics"] else []
PACKED = RUN["datasets"] if CONFIG["pack"] else []
UPLOADED = RUN["datasets"] if CONFIG["destination"] else []
SPLIT = [name for name in RUN["datasets"] if "split" in CONFIG["datasets"][name]]


wildcard_constraints:
    dataset="|".join(CONFIG["datasets"]),
    recipe="|".join(CONFIG["recipes"]),
    engine="|".join(CHOICES),
    shard=r"[0-9]+-of-[0-9]+",


def hold_folder():
    """Lock this folder for this run, and refuse links through which it would write."""
    try:
        workflow_setup.hold()
        workflow_setup.check_links(CONFIG)
    except UserError as error:
        sys.exit(f"config: {error}")


def record_failure():
    """Leave no verdict of an earlier run beside the results of one that did not finish."""
    if any(job.rule.name in ("verdict", "process") for job in workflow.dag.jobs):
        workflow_setup.record_failure(RESULTS, BEGAN)


def check_targets():
    """Refuse what the command line names but no rule makes."""
    if not workflow.is_main_process:
        return
    targets = [rule.name for rule in workflow.rules if not rule.has_wildcards()]
    known = workflow_targets.Rules(
        targets,
        [rule.name for rule in workflow.rules if rule.has_wildcards()],
        lambda path: any(rule.is_producer(path) for rule in workflow.rules),
    )
    try:
        workflow_targets.check(known, get_argument_parser)
    except UserError as error:
        sys.exit(str(error))


def code(script):
    """A script and the modules that it imports, relative to the working folder."""
    return [os.path.relpath(path) for path in code_of(script)]


def as_json(value):
    """A part of the config as JSON that does not depend on the order of its keys.

    Snakemake writes params into the script of its own report as they are, so no tag may end it.
    """
    return json.dumps(value, sort_keys=True).replace("<", "\\u003c")


def complete_config(wildcards):
    """The whole config as JSON. In a text that is not made by a function, braces are wildcards."""
    return as_json(CONFIG)


def section(name):
    """A section of the config as JSON, from which a script takes what it needs."""
    return as_json(CONFIG[name])


def folder(wildcards):
    """The folder or the archives of a dataset's images."""
    return source_of(wildcards.dataset, CONFIG["datasets"][wildcards.dataset])


def selection(wildcards):
    """Which files of the folder belong to a dataset."""
    return as_json(workflow_setup.selection(CONFIG["datasets"][wildcards.dataset]))


def dates(wildcards):
    """The option of catalogs with dates, if names of outputs depend on them."""
    return "--dates" if settings.needs_dates(CONFIG, BASE) else ""


def fingerprint(wildcards):
    """The state of a folder, or of a shard of it, so that changed files are noticed."""
    if not workflow.is_main_process:
        return ""
    shard = Shard.parse(wildcards.get("shard", "1-of-1"))
    return workflow_setup.fingerprint(CONFIG["datasets"][wildcards.dataset], shard)


def images(wildcards):
    """The table of the images to process: all of a dataset, or those that it selects."""
    is_selective = left_out.is_selective(CONFIG["datasets"][wildcards.dataset])
    name = left_out.SELECTED if is_selective else "catalog.csv"
    return f"{RESULTS}/{wildcards.dataset}/{name}"


def selecting(wildcards):
    """Options that say which images of a dataset are selected."""
    dataset = CONFIG["datasets"][wildcards.dataset]
    named = ImageList.of(dataset)
    options = [
        ("--select", dataset.get("select")),
        ("--on-duplicate", dataset.get("on_duplicate")),
    ]
    if named:
        options += [("--list", named.file), ("--source", folder(wildcards))]
        options += [("--where", "=".join(cell)) for cell in sorted(named.where.items())]
        options += [("--names", named.names)]
    return shlex.join(part for option in options if option[1] for part in option)


def image_list(wildcards):
    """The list that names the images of a dataset, if there is one."""
    named = ImageList.of(CONFIG["datasets"][wildcards.dataset])
    return named.file if named else []


def findings(wildcards):
    """The findings over a dataset, unless only a list decides which images are selected."""
    dataset = CONFIG["datasets"][wildcards.dataset]
    needed = "list" not in dataset or left_out.needs_metrics(dataset)
    return f"{RESULTS}/{wildcards.dataset}/findings.csv" if needed else []


def packing(wildcards):
    """Options that say how outputs are packed."""
    given = CONFIG["pack"] or {}
    options = [f"--{key}={given[key]}" for key in sorted(given) if given[key]]
    return shlex.join(options + ["--durable"] * CONFIG["durable"])


def uploaded(wildcards):
    """The table of what is uploaded: of the shards if there are any, or else of the outputs."""
    if not CONFIG["destination"]:
        sys.exit(
            "config: destination is missing; give a bucket such as s3://bucket/prefix."
        )
    part = (
        "packed/packed.csv" if CONFIG["pack"] else f"{RUN['production']}/manifest.csv"
    )
    return f"{RESULTS}/{wildcards.dataset}/{wildcards.recipe}/{part}"


def destination(wildcards):
    """The place in the bucket for the outputs of a dataset and a recipe."""
    given = (CONFIG["destination"] or "").rstrip("/")
    return f"{given}/{wildcards.dataset}/{wildcards.recipe}"


def generated(wildcards):
    """The record of a generated or a mirrored dataset; nothing for a user's folder."""
    dataset = CONFIG["datasets"][wildcards.dataset]
    if "generate" in dataset:
        return f"{RESULTS}/{wildcards.dataset}/generated.json"
    return f"{RESULTS}/{wildcards.dataset}/mirrored.json" if place_of(dataset) else []


def mirrored(wildcards):
    """Which files of a place are mirrored; of archives, the globs concern the members."""
    dataset = CONFIG["datasets"][wildcards.dataset]
    return "{}" if "archive" in dataset else selection(wildcards)


def mirror_token(wildcards):
    """A token that changes if a place has other files than its mirror, so that they are copied."""
    if not workflow.is_main_process:
        return ""
    try:
        return workflow_setup.mirror_token(wildcards.dataset, CONFIG)
    except UserError as error:
        sys.exit(f"config: {error}")


def token(wildcards):
    """A token that changes if generated images are missing, so that they are made again."""
    return workflow_setup.token(wildcards.dataset)


def outputs_token(wildcards):
    """A token that changes if outputs of a tree are lost or altered, so that they are made again."""
    engine = wildcards.get("engine", BASELINE)
    return workflow_setup.outputs_token(
        f"{RESULTS}/{wildcards.dataset}/{wildcards.recipe}/{engine}"
    )


def checks_token(wildcards):
    """A token that changes as long as a tree's checks fail, so that they are made again."""
    path = f"{RESULTS}/{wildcards.dataset}/{wildcards.recipe}/{wildcards.engine}/verification.json"
    return workflow_setup.checks_token(path)


def measured(wildcards):
    """The state of the benchmarks, which the report shows but must not run."""
    paths = expand(
        f"{RESULTS}/{{dataset}}/{{recipe}}/{{measured}}.json",
        dataset=RUN["datasets"],
        recipe=RUN["recipes"],
        measured=["scaling", "rivals"],
    )
    return workflow_setup.digest(paths) if workflow.is_main_process else ""


def recipe(wildcards):
    """A recipe of the config, as JSON."""
    return as_json(CONFIG["recipes"][wildcards.recipe])


def own_steps(wildcards):
    """Files of the user's own steps in a recipe, and files that its steps read."""
    return list(settings.recipe_files(CONFIG, wildcards.recipe, BASE))


def comparable_recipes():
    """Recipes that other tools can perform too."""
    return [name for name in RUN["recipes"] if settings.has_rivals(CONFIG, name, BASE)]


def policy():
    """The policy of the passes, as JSON."""
    run = {key: RUN[key] for key in ("check_outputs", "retry_failed")}
    failures = {"stop_on_first": CONFIG["failures"]["stop_on_first"]}
    parts = {
        key: CONFIG[key]
        for key in ("limits", "removals", "collisions", "durable", "sandbox")
    }
    return as_json({**parts, "run": run, "failures": failures})


def scheduler(wildcards):
    """Options with which an engine finds its cluster."""
    if not on_cluster(wildcards.engine):
        return ""
    scale = CONFIG["scale"]
    options = ["--scheduler", scale["scheduler"]]
    if scale["tls"]:
        options += ["--tls", *(scale["tls"][part] for part in ("ca", "cert", "key"))]
    return shlex.join(options)


def software(wildcards):
    """Versions of the libraries that affect pixels, as JSON."""
    opencv = settings.uses_opencv(CONFIG, wildcards.recipe, BASE)
    return as_json(rendering_software(opencv))


def options_of_shard(wildcards):
    """Options of a pass over one shard of a dataset."""
    label = f"{wildcards.dataset}/{wildcards.recipe}/{wildcards.shard}"
    options = {
        "--shard": wildcards.shard,
        "--selection": selection(wildcards),
        "--label": label,
    }
    return shlex.join(part for option in options.items() for part in option)


def shards():
    """Names of all shards of a dataset."""
    return [str(shard) for shard in all_of(CONFIG["scale"]["shards"])]


def trees(engines):
    """Output trees of these engines, for all datasets and recipes of the run."""
    return expand(TREE, dataset=RUN["datasets"], recipe=RUN["recipes"], engine=engines)
