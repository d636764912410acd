# pixelmill: a folder of images in, verified processed images out.
# This file only connects the parts: scripts/ does the work that config.yaml asks for.
import os
import sys

from snakemake.utils import min_version

min_version("9.19")


# The config in the working folder or, if there is none, the one that comes with pixelmill.
beside = "config.yaml"

sys.path.insert(0, os.path.join(workflow.current_basedir, "scripts"))
from pixelmill.core.documents import read_yaml
from pixelmill.core.errors import UserError

# Snakemake would expand YAML aliases without limit; `read_yaml` refuses such a file.
if os.path.exists(beside):
    try:
        read_yaml(beside, beside)
    except UserError as error:
        sys.exit(f"config: {error}")


configfile: beside if os.path.exists(beside) else workflow.source_path(beside)


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


rule all:
    default_target: True
    input:
        rules.verdict.output.text,
    localrule: True
