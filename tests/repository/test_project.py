"""Pins agree, rules are complete, scripts are thin, and modules use the right libraries."""

import ast
import re

import pytest
import yaml

from pixelmill.app.config_schema import schema
from pixelmill.core.fingerprints import code_of
from tests.conftest import run

#: Largest number of lines of a script; longer ones contain something that belongs in the library.
LONGEST_SCRIPT = 80

#: Folders that tests and code must not name, because they must run on any machine.
PLACES = ("/" + "work", "/" + "root", "/" + "tmp", "/" + "home")


#: Modules that are tested together with their users, and the files of these tests.
TESTED_BY = {
    "app/cli": "workflow/test_scripts.py",
    "app/console": "unit/app/test_launcher.py",
    "__main__": "workflow/test_command.py",
    "app/command": "workflow/test_command.py",
    "app/pack_command": "workflow/test_packing.py",
    "app/source_settings": "unit/app/test_config.py",
    "app/upload_command": "workflow/test_uploads.py",
    "packing/shard_writer": "unit/packing/test_pack.py",
    "app/folder_commands": "workflow/test_command.py",
    "core/environment": "unit/imaging/test_fingerprint.py",
    "dataset/given_names": "unit/dataset/test_image_list.py",
    "dataset/gather_catalog": "unit/dataset/test_gather.py",
    "report/charts/base": "unit/report/charts/test_charts.py",
    "storage/member": "unit/storage/test_archives.py",
    "app/mirror_command": "workflow/test_mirror.py",
    "transfer/messages": "unit/transfer/test_mirror.py",
    "transfer/connections": "unit/transfer/test_web.py",
    "transfer/places": "unit/transfer/test_mirror.py",
    "transfer/mirror_record": "unit/transfer/test_mirror.py",
    "transfer/place": "unit/transfer/test_mirror.py",
    "transfer/upload_files": "unit/transfer/test_upload.py",
    "engines/base": "unit/engines/test_lifecycle.py",
    "engines/local": "unit/engines/test_lifecycle.py",
    "engines/malloc": "unit/benchmark/test_peak_memory.py",
    "engines/processes": "unit/engines/test_lifecycle.py",
    "imaging/backends/base": "unit/imaging/backends/test_registry.py",
    "imaging/codecs/apng": "unit/imaging/codecs/test_frames.py",
    "imaging/codecs/avif": "unit/imaging/codecs/test_frames.py",
    "imaging/codecs/decoded": "unit/imaging/codecs/test_decoding.py",
    "imaging/codecs/exif_facts": "unit/pipeline/test_sidecars.py",
    "imaging/codecs/formats/avif": "unit/imaging/codecs/formats/test_iso_media.py",
    "imaging/codecs/formats/gif": "unit/imaging/codecs/formats/test_formats.py",
    "imaging/codecs/formats/heif": "unit/imaging/codecs/formats/test_iso_media.py",
    "imaging/codecs/formats/ico": "unit/imaging/codecs/formats/test_formats.py",
    "imaging/codecs/formats/png": "unit/imaging/codecs/formats/test_formats.py",
    "imaging/codecs/formats/ppm": "unit/imaging/codecs/formats/test_formats.py",
    "imaging/codecs/formats/tiff": "unit/imaging/codecs/formats/test_formats.py",
    "imaging/codecs/frame_timing": "unit/imaging/codecs/test_frames.py",
    "imaging/codecs/sequences": "unit/imaging/codecs/test_frames.py",
    "imaging/codecs/webp": "unit/imaging/codecs/test_frames.py",
    "imaging/sidecar": "unit/pipeline/test_sidecars.py",
    "verification/check_results": "unit/verification/test_verify.py",
    "verification/color_conversion": "unit/verification/test_second_decoder.py",
    "verification/exact_resampling": "unit/verification/test_reference.py",
    "verification/picture_check": "unit/verification/test_planted_pictures.py",
    "verification/second_bitmaps": "unit/verification/test_second_decoder.py",
    "verification/second_png": "unit/verification/test_second_decoder.py",
    "verification/second_ssim": "unit/imaging/codecs/test_ssim.py",
    "verification/second_tiff": "unit/verification/test_second_decoder.py",
    "verification/suspected_faults": "unit/verification/test_planted_pictures.py",
}

#: The packages of the library; there is nothing else beside its `__init__`.
WINGS = {
    *(
        "app",
        "benchmark",
        "core",
        "dataset",
        "engines",
        "imaging",
        "inspection",
        "packing",
        "transfer",
    ),
    *("pipeline", "report", "storage", "verification"),
}


def texts(repository, *patterns):
    """Texts of files by their path, as git would see them."""
    found = {}
    for pattern in patterns:
        for path in repository.glob(pattern):
            found[path.relative_to(repository).as_posix()] = path.read_text(encoding="utf-8")
    assert found
    return found


def pins_of(text):
    """Versions by package and marker."""
    pins = re.findall(r"([A-Za-z0-9_.-]+)==([^\s;\"\\]+)(?: ; ([^\"\\\n]+))?", text)
    return {(name.lower(), marker.strip()): version for name, version, marker in pins}


def test_conda_has_the_pins_of_the_lock_file(repository):
    environment = (repository / "envs/environment.yaml").read_text(encoding="utf-8")
    if not environment.strip():
        pytest.skip("envs/environment.yaml is still empty")
    lock = (repository / "envs/requirements.lock").read_text(encoding="utf-8")
    assert pins_of(environment) == pins_of(lock)
    dependencies = yaml.safe_load(environment)["dependencies"]
    assert dependencies[-1].keys() == {"pip"}


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_file_has_hashes_and_names_no_index(repository, name):
    text = (repository / "envs" / name).read_text(encoding="utf-8")
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|--trusted-host", text)
    packages = re.findall(r"^[A-Za-z0-9_.-]+==[^\n]*\n((?:    .*\n?)*)", text, re.MULTILINE)
    assert len(packages) > 20
    assert all("--hash=sha256:" in hashes for hashes in packages)


def test_packages_have_the_same_pins_for_development(repository):
    locks = [(repository / "envs" / f"requirements{kind}.lock") for kind in ("", "-dev")]
    running, developing = (pins_of(path.read_text(encoding="utf-8")) for path in locks)
    for (name, marker), version in running.items():
        # A package that tests need on every system has no marker.
        assert version in (developing.get((name, marker)), developing.get((name, ""))), name


def test_every_direct_dependency_is_locked_and_explained(repository):
    project = (repository / "pyproject.toml").read_text(encoding="utf-8")
    names = re.findall(r'^  "([a-z-]+)[=>]', project, re.MULTILINE)
    assert "snakemake" in names
    lock = pins_of((repository / "envs/requirements.lock").read_text(encoding="utf-8"))
    explained = (repository / "envs/README.md").read_text(encoding="utf-8")
    for name in names:
        assert name in {package for package, _ in lock}, name
        assert f"| {name} |" in explained, name


def rules_of(repository):
    """Text of each rule by its name; a rule that is based on another one has its sections too."""
    text = "\n".join(texts(repository, "workflow/rules/*.smk").values())
    rules, own = {}, {}
    heading = r"^(?:use )?rule (\w+)(?: as (\w+) with)?:\n"
    for name, copy, body in re.findall(heading + r"((?:(?:    .*)?\n)+)", text, re.MULTILINE):
        rules[copy or name], own[copy or name] = (name if copy else None), sections_of(body)
    for name, base in rules.items():
        if base and "params" in own[name]:  # Snakemake replaces single parameters
            own[name]["params"] = own[base]["params"] + own[name]["params"]
    return {
        name: "".join(({**own[base], **own[name]} if base else own[name]).values())
        for name, base in rules.items()
    }


def sections_of(body):
    """Text of each section of a rule by its keyword."""
    found = re.findall(r"^    (\w+):(.*\n(?:(?:     .*)?\n)*)", body, re.MULTILINE)
    return {keyword: f"    {keyword}:{text}" for keyword, text in found}


#: The directives of each rule that runs a command.
EVERY_RULE = ("input", "log", "conda", "threads", "resources", "message", "shell")


def test_every_rule_says_what_it_needs_and_does(repository):
    rules = rules_of(repository)
    assert {"generate", "catalog", "process_seq", "process_par", "verify_tree"} <= rules.keys()
    assert {"compare_engines", "benchmark_report", "verdict"} <= rules.keys()
    for name, body in rules.items():
        directives = set(re.findall(r"^    (\w+):", body, re.MULTILINE))
        if "shell" in directives:
            assert directives >= set(EVERY_RULE), name
        else:
            assert directives == {"input", "localrule"}, (
                name
            )  # a name for the outputs of other rules


def test_every_rule_says_in_one_line_what_it_does(repository):
    """`snakemake --list` shows it; a rule that is based on another one has the line of that one."""
    text = "\n".join(texts(repository, "workflow/**/*.smk", "workflow/Snakefile").values())
    rules = re.findall(r"^rule (\w+):\n    (.*)$", text, re.MULTILINE)
    assert len(rules) > 15
    for name, line in rules:
        assert re.fullmatch(r'"""[A-Z].*\."""', line), name


def test_every_rule_that_makes_something_is_measured(repository):
    for name, body in rules_of(repository).items():
        if "    output:" in body:
            assert "    benchmark:" in body, name


def test_every_rule_lists_its_code_and_calls_it(repository):
    """Snakemake detects changes only of listed files."""
    for name, body in rules_of(repository).items():
        if "    shell:" in body:
            assert re.search(r"code=code\(\"\w+\.py\"\),\n", body), name
            assert '"python {input.code[0]:q}' in body, name


#: Rules whose jobs use all cores, or are timed: nothing may run beside the plain loop either.
ON_ALL_CORES = {
    *("generate", "process_seq", "process_par", "process_shard", "verify_tree", "verify"),
    *("measure", "measure_rivals", "inspect_dataset", "pack_outputs"),
}


def test_a_job_claims_all_cores_if_it_uses_them_or_is_timed_and_else_one(repository):
    for name, body in rules_of(repository).items():
        if "    shell:" in body:
            claimed = re.search(r"^    threads: (.+)$", body, re.MULTILINE)[1]
            assert claimed == ("workflow.cores" if name in ON_ALL_CORES else "1"), name
            told = "--workers {threads} --cap-workers" in body
            assert told == (name in ON_ALL_CORES - {"process_seq"}), name


def test_of_all_engines_the_baseline_comes_first(repository):
    urgent = {name for name, body in rules_of(repository).items() if "    priority: 1 " in body}
    assert urgent == {"process_seq"}


def test_every_rule_that_does_steps_names_the_libraries_that_decide_their_pixels(repository):
    """Snakemake detects changes of a library only in parameters."""
    rules = {name: body for name, body in rules_of(repository).items() if "    output:" in body}
    running = set()
    for name, body in rules.items():
        modules = {path.stem for path in code_of(re.search(r"code=code\(\"(\w+\.py)\"\)", body)[1])}
        if modules & {"filters", "geometry", "overlays", "resize", "tones"}:
            running.add(name)
    shown = {"process_seq", "process_par", "process_shard", "measure", "measure_rivals", "steps"}
    shown |= {"inspect_dataset"}
    # Other rules describe steps or check their results, and run none.
    assert running - {"benchmark_report", "verify_tree"} == shown
    for name in shown:
        assert re.search(r"^        software=\w+", rules[name], re.MULTILINE), name


def names_in(body, section):
    """Names of the values in a section of a rule."""
    found = re.findall(rf"^    {section}:\n((?: {{8}}.*\n)+)", body, re.MULTILINE)
    return set(re.findall(r"^ {8}(\w+)=", "".join(found), re.MULTILINE))


#: Parameters that only tell Snakemake of a change; no script takes them.
WATCHED = {"software", "fingerprint", "scaling"}


def test_every_rule_hands_its_parameters_on(repository):
    """A script that does not get one uses its default."""
    for name, body in rules_of(repository).items():
        _, _, command = body.partition("    shell:\n")
        handed = set(re.findall(r"\{params\.(\w+)", command))
        assert handed == names_in(body, "params") - WATCHED, name


@pytest.mark.parametrize(
    ("part", "whole"), [("catalog_shard", "catalog"), ("process_shard", "process_par")]
)
@pytest.mark.parametrize("section", ["input", "output", "params"])
def test_a_rule_for_a_shard_has_what_that_for_a_dataset_has(repository, part, whole, section):
    rules = rules_of(repository)
    assert names_in(rules[part], section) == names_in(rules[whole], section) != set()


def test_every_script_is_called_by_a_rule(repository):
    called = set(re.findall(r'code\("(\w+\.py)"\)', "".join(rules_of(repository).values())))
    assert called == {path.name for path in (repository / "scripts").glob("*.py")}


def test_scripts_are_thin(repository):
    for name, text in texts(repository, "scripts/*.py").items():
        assert len(text.splitlines()) <= LONGEST_SCRIPT, name


def modules(repository):
    """Text of each module of the library by its path."""
    place = "scripts/pixelmill/"
    found = texts(repository, f"{place}**/*.py")
    return {name.removeprefix(place).removesuffix(".py"): text for name, text in found.items()}


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("dask", ("engines/",)),
        ("snakemake", ()),
        ("distributed", ("engines/",)),
        (
            "PIL",
            ("imaging/", "dataset/synthetic", "verification/", "benchmark/", "report/", "app/"),
        ),
        ("cv2", ("dataset/scenes", "imaging/arrays", "imaging/backends/", "verification/")),
        (
            "imagecodecs",
            ("imaging/codecs/", "imaging/backends/", "storage/parquet", "verification/"),
        ),
        ("tifffile", ("imaging/codecs/tiff", "verification/")),
        (
            "simplejpeg",
            ("imaging/codecs/jpeg", "benchmark/bare_pools", "verification/file_sizes"),
        ),
        ("matplotlib", ()),
        ("sqlite3", ("core/databases", "dataset/ledger", "transfer/", "verification/passed_cache")),
    ],
)
def test_a_library_is_known_to_few_modules(repository, library, allowed):
    scripts = texts(repository, "scripts/*.py")
    knowing = {
        name
        for name, text in {**modules(repository), **scripts}.items()
        if re.search(rf"^\s*(import|from) {library}\b", text, re.MULTILINE)
    }
    assert {name for name in knowing if not name.startswith(allowed)} == set()


def defaults_of(part):
    """Defaults in a schema, except those that are maps."""
    return {
        key: entry["default"]
        for key, entry in part["properties"].items()
        if not isinstance(entry.get("default"), dict) and "default" in entry
    }


@pytest.mark.parametrize(
    "key", [key for key, part in schema()["properties"].items() if part.get("properties")]
)
def test_the_config_shows_every_default(repository, key):
    config = yaml.safe_load((repository / "config.yaml").read_text(encoding="utf-8"))
    shown = {name: config[key][name] for name in defaults_of(schema()["properties"][key])}
    assert shown == defaults_of(schema()["properties"][key])


def test_the_library_consists_of_its_wings(repository):
    found = {path.name for path in (repository / "scripts/pixelmill").iterdir()}
    files = {"__init__.py", "__init__.pyi", "__main__.py", "py.typed", "__pycache__"}
    assert found - files == WINGS


def test_a_package_contains_only_a_docstring(repository):
    """Except for the library itself, and the packages that list steps, formats and charts."""
    lists = (
        "imaging/steps/__init__",
        "imaging/codecs/formats/__init__",
        "report/charts/__init__",
    )
    for name, text in modules(repository).items():
        if name.endswith("/__init__") and name not in lists:
            (statement,) = ast.parse(text).body
            assert isinstance(statement, ast.Expr) and len(text.splitlines()) == 1, name


def test_every_module_has_its_tests(repository):
    """A test file in the matching folder has the name of the module, or imports from it."""
    for name in modules(repository):
        if name in TESTED_BY or name.endswith("__init__"):
            continue
        tests = (repository / "tests/unit" / name).parent
        package, _, module = name.replace("/", ".").rpartition(".")
        imported = re.compile(
            rf"from pixelmill\.{package}(\.{module} import| import .*\b{module}\b)"
        )
        assert (tests / f"test_{module}.py").exists() or any(
            imported.search(path.read_text(encoding="utf-8")) for path in tests.glob("test_*.py")
        ), name


@pytest.mark.parametrize("name", sorted(TESTED_BY))
def test_modules_tested_with_others_and_their_tests_exist(repository, name):
    assert (repository / f"scripts/pixelmill/{name}.py").exists()
    assert (repository / "tests" / TESTED_BY[name]).exists()


def test_no_file_names_a_local_path(repository):
    patterns = [
        "tests/**/*.py",
        "scripts/**/*.py",
        "workflow/**/*.*",
        "Snakefile",
        "*.yaml",
        "*.md",
    ]
    for name, text in texts(repository, *patterns).items():
        found = [place for place in PLACES if re.search(rf"(?<![\w.}}]){place}/", text)]
        assert not found, name


def test_every_test_that_the_docs_name_exists(repository):
    there = set()
    for path in (repository / "tests").rglob("test_*.py"):
        there |= {path.name, *re.findall(r"^def (test_\w+)", path.read_text("utf-8"), re.MULTILINE)}
    for name, text in texts(repository, "docs/*.md").items():
        named = set(re.findall(r"`(test_\w+(?:\.py)?)`", text))
        assert named <= there, name


def test_make_help_lists_every_target_that_is_explained(repository):
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    explained = re.findall(r"^([a-z-]+):.*## (.+)$", makefile, re.MULTILINE)
    assert {"run", "test", "help"} <= {target for target, _ in explained}
    told = run(["make", "--no-print-directory", "help"], cwd=repository)
    assert told.text.splitlines() == [f"make {target}: {what}" for target, what in explained]
