# pixelmill: a folder of images in, verified processed images out.
# This file only connects the parts: scripts/ does the work that config.yaml asks for.
import os
import sys

from snakemake.utils import min_version

min_version("9.19")


# Snakemake puts this folder on the path. Images may be downloaded into it, and with them files
# that are named like modules.
HERE = os.path.realpath(workflow.current_basedir)
others = [path for path in sys.path if os.path.realpath(path) != HERE]
sys.path[:] = [os.path.join(HERE, "scripts"), *others]

from pixelmill.app import config_layers, workflow_targets
from pixelmill.core.errors import UserError

# Before Snakemake reads the config: its own messages name neither file nor line, and it would
# expand YAML aliases without limit.
SETTINGS = workflow.config_settings
try:
    workflow_targets.require_cores(workflow.resource_settings.cores)
    LOADED = config_layers.load(
        SETTINGS.configfiles,
        SETTINGS.config,
        given=config if workflow.modifier.skip_configfile else None,
        replace=SETTINGS.replace_workflow_config,
        look=workflow.is_main_process,
    )
except UserError as error:
    sys.exit(str(error))


if LOADED.base:

    configfile: LOADED.base


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/generate.smk"
include: "workflow/rules/catalog.smk"
include: "workflow/rules/process.smk"


if SHARDED:

    include: "workflow/rules/shards.smk"


include: "workflow/rules/verify.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/tools.smk"


# Not executed by dry runs, nor by the Snakemake processes that run single jobs.
onstart:
    hold_folder()


onerror:
    record_failure()


rule all:
    default_target: True
    input:
        rules.verdict.output.done,
    localrule: True


check_targets()
