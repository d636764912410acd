"""The instructions of the docs work as written."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from PIL import Image

from pixelmill.app import starting_config
from pixelmill.imaging.backends.opencv_steps import OPENCV_STEPS
from tests.helpers.projects import SMALL, write_config


def blocks_of(path, language):
    """The code blocks of a page, without their indentation."""
    text = path.read_text(encoding="utf-8")
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


@pytest.fixture
def changed(new_project, repository, tmp_path):
    """A project to which the step of the docs, its test and the format of the docs were added."""
    folder = new_project(tmp_path / "project", {}, count=2)
    for block in blocks_of(repository / "docs/extending.md", "python"):
        path, code = re.match(r"# (\S+)\n(.*)", block, re.DOTALL).groups()
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        with (folder / path).open("a", encoding="utf-8") as file:
            file.write(f"\n\n{code}")
    return folder


def test_the_step_of_the_docs_can_be_used_once_it_is_added(changed):
    recipe = changed / "recipe.yaml"
    recipe.write_text("steps: [{solarize: {above: 100}}]\noutput: {format: png}\n", "utf-8")
    command = ["scripts/process_parallel.py", "pictures", "out", "--recipe", "recipe.yaml"]
    subprocess.run([sys.executable, *command], cwd=changed, check=True)
    with Image.open(changed / "out/images/0.png") as made:
        assert max(high for _, high in made.convert("RGB").getextrema()) <= 155


def test_the_format_of_the_docs_can_be_used_once_it_is_in_the_table(changed):
    table = changed / "scripts/pixelmill/imaging/codecs/formats/__init__.py"
    text = table.read_text("utf-8").replace(" Ico(),", " Ico(), Jpeg2000(),")
    line = "from pixelmill.imaging.codecs.formats.png import Png\n"
    added = "from pixelmill.imaging.codecs.formats.jpeg2000 import Jpeg2000\n"
    table.write_text(text.replace(line, added + line), "utf-8")
    (changed / "recipe.yaml").write_text("steps: []\noutput: {format: jpeg2000}\n", "utf-8")
    command = ["scripts/process_parallel.py", "pictures", "out", "--recipe", "recipe.yaml"]
    subprocess.run([sys.executable, *command], cwd=changed, check=True)
    with Image.open(changed / "out/images/0.jp2") as made:
        assert made.format == "JPEG2000"


def test_the_test_of_the_docs_passes(changed, repository):
    (test,) = (changed / "tests").rglob("test_*.py")
    test.write_text(f"from PIL import Image\n{test.read_text('utf-8')}", "utf-8")
    for name in ("__init__.py", "conftest.py"):
        shutil.copy(repository / "tests" / name, changed / "tests")
    shutil.copytree(repository / "tests/helpers", changed / "tests/helpers")
    (changed / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\npythonpath = ["scripts", "."]\n', encoding="utf-8"
    )
    command = [sys.executable, "-m", "pytest", "-q", test]
    subprocess.run(command, cwd=changed, check=True)


def test_the_module_of_the_docs_includes_all_jobs(small, repository, snakemake, tmp_path):
    (block,) = blocks_of(repository / "docs/extending.md", "snakemake")
    folder = tmp_path / "other"
    folder.mkdir()
    config = {**SMALL, "datasets": {"mine": {"folder": str(small / "pictures")}}}
    write_config(folder, config)
    text = block.replace(
        "path/to/pixelmill/workflow/Snakefile", (small / "workflow/Snakefile").as_posix()
    )
    (folder / "Snakefile").write_text(text, encoding="utf-8")
    assert {"Catalog mine", "Write the report", "Write the verdict"} <= set(
        snakemake(folder, "--dry-run").jobs
    )


def test_the_docs_name_every_file_that_lists_engines(repository):
    page = (repository / "docs/extending.md").read_text(encoding="utf-8")
    part = page[page.index("## A new engine") : page.index("## A new output format")]
    named = {
        *re.findall(r"`((?:workflow|scripts|docs)/\S+)`", part),
        *(f"docs/{name}" for name in re.findall(r"\]\((\w+\.md)", part)),
    }
    lists = {
        path.relative_to(repository).as_posix()
        for folder in ("workflow", "scripts", "docs")
        for path in (repository / folder).rglob("*")
        if path.suffix in (".py", ".smk", ".yaml")
        and re.search(r"processes\W{1,4}futures", path.read_text(encoding="utf-8"))
    }
    assert lists
    assert lists <= named


def pages_of(repository):
    """Texts of all pages by their paths, without blocks of code."""
    patterns = ("*.md", "docs/**/*.md", "envs/*.md")
    paths = [path for pattern in patterns for path in repository.glob(pattern)]
    return {
        path: re.sub(r"^ *```.*?^ *```$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
        for path in paths
    }


def links_of(text):
    """Targets of links and pictures within the repository, each with its anchor."""
    targets = re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", text)
    links = ("".join(target) for target in targets)
    return [link.partition("#")[::2] for link in links if not re.match(r"\w+:", link)]


def anchors_of(text):
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_and_anchors_are_found():
    text = '[a](b.md#c), [![d](e.png)](f.md) <img src="g.svg"> [h](https://example.org/#i)'
    assert links_of(text) == [("b.md", "c"), ("e.png", ""), ("f.md", ""), ("g.svg", "")]
    assert anchors_of('## The run ends with "Failed"\n') == {"the-run-ends-with-failed"}


def test_every_linked_page_exists(repository):
    for page, text in pages_of(repository).items():
        for link, _ in links_of(text):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_every_linked_heading_exists(repository):
    for page, text in pages_of(repository).items():
        for link, anchor in links_of(text):
            if anchor:
                target = (page.parent / link if link else page).read_text(encoding="utf-8")
                assert anchor in anchors_of(target), f"{page.name}: {link}#{anchor}"


def test_every_file_that_the_docs_name_exists(repository):
    """Paths are relative to the repository or, on pages for developers, to the library."""
    named = r"`(?!results/)((?:[\w.-]+/)+[\w.-]+\.(?:py|smk|yaml|html|sh|c))`"
    for page, text in pages_of(repository).items():
        places = (repository, repository / "scripts/pixelmill", page.parent)
        for path in re.findall(named, text):
            assert any((place / path).exists() for place in places), f"{page.name}: {path}"


def test_the_architecture_names_every_package(repository):
    text = (repository / "docs/architecture.md").read_text(encoding="utf-8")
    part = text[text.index("## The thirteen packages") : text.index("## The processes")]
    named = re.findall(r"^\| `([\w/]+)` \|", part, re.MULTILINE)
    library = repository / "scripts/pixelmill"
    found = {path.parent.relative_to(library).as_posix() for path in library.rglob("__init__.py")}
    assert set(named) == found - {"."}


def test_every_page_can_be_reached_from_the_index(repository):
    pages = pages_of(repository)
    reached, pending = set(), [repository / "docs/index.md"]
    while pending:
        page = pending.pop()
        reached.add(page)
        links = {(page.parent / link).resolve() for link, _ in links_of(pages[page])}
        pending += (links & pages.keys()) - reached
    assert pages.keys() - reached == set()


def test_the_readme_is_short(repository):
    assert len((repository / "README.md").read_text(encoding="utf-8").split()) < 900


def test_every_command_of_the_docs_sets_the_number_of_cores(repository):
    """Without the option, Snakemake does nothing, and with `quiet` it does not say so."""
    pages = [*repository.glob("docs/**/*.md"), *repository.glob("*.md"), repository / "config.yaml"]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for command in re.findall(r"^snakemake .*|`snakemake [^`]+`", text, re.MULTILINE):
            enough = ("--cores", "--lint", "--profile profiles/slurm")  # which has its own
            assert any(option in command for option in enough), f"{page.name}: {command}"


def commands_of(path):
    """The commands that a page tells people to type, without their comments."""
    lines = "".join(blocks_of(path, "sh")).splitlines()
    return [line.split("#")[0].strip() for line in lines]


def test_the_command_of_the_readme_processes_a_folder(repository, small):
    (command,) = [line for line in commands_of(repository / "README.md") if " run " in line]
    words = command.replace("path/to/my_images", "pictures").split()
    assert words[0] == "pixelmill"
    main = "from pixelmill.app.command import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(repository / "scripts")}
    subprocess.run([sys.executable, "-c", main, *words[1:]], cwd=small, env=environment, check=True)
    assert len(list((small / "out/images").iterdir())) == 3


def test_the_config_for_a_folder_gives_images_where_the_readme_says(repository, small, snakemake):
    (small / "config.yaml").write_text(starting_config.text("pictures"), encoding="utf-8")
    ran = snakemake(small, "process")
    assert "Success: " in ran.text
    place = "results/images/web/auto/images"
    assert place in (repository / "README.md").read_text(encoding="utf-8")
    assert len(list((small / place).iterdir())) == 3


def test_the_steps_of_the_backend_opencv_are_those_that_the_docs_name(repository):
    text = " ".join((repository / "docs/recipes.md").read_text(encoding="utf-8").split())
    named = re.search(r"supports the steps ([^.]*)\.", text)[1]
    assert re.findall(r"\w+", named.replace(" and ", " ")) == [*OPENCV_STEPS, "call"]
