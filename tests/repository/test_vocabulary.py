"""Names and texts use the terms of the field, not the private words of early versions."""

import ast
import re

import pytest

#: Private words, with the term that replaces each. No name contains one of them, be it of a
#: function, a class, an attribute, a parameter or a variable.
WORDS = {
    "account": "stage timer",
    "arm": "case",
    "arms": "cases",
    "bell": "gaussian kernel",
    "crumb": "breadcrumb",
    "crumbs": "breadcrumbs",
    "demand": "expectation",
    "demands": "expectations",
    "draw_up": "make plan",
    "homes": "shards of",
    "litter": "needs cleanup",
    "maker": "fingerprints",
    "meanwhile": "while starting",
    "on_levels": "array step",
    "promise": "manifest row",
    "said": "log",
    "standings": "ranking",
    "take_back_claims": "invalidate tables",
    "take_over": "migrate",
    "tidy": "clean up",
    "trail": "record",
}

#: Names that are private words only in some places, as patterns of `module:qualified.name`, with
#: the term that replaces each. A parameter is written `module:function(name)`.
NAMES = {
    r"dataset/plan:Plan\.make": "to_render",
    r"dataset/plan:Plan\.stale": "orphans",
    r"dataset/passes:Pass\.whole": "is_full",
    r".*:Made": "OutputFile",
    r".*:Stretch": "BusyInterval",
    r".*:APART": "has_processes",
    r".*:_?Ahead": "PrefetchExecutor",
    r".*:_?Packed": "BatchWorker",
    r".*:_?Child": "HostProcess",
    r".*:_?Remote": "ClusterWorker",
    r".*:_?Memory": "PassedCache, or a cache of what it holds",
    r".*:Reading": "DecodeOptions",
    r".*:Target": "SizeHint",
    r"pipeline/host:_?host": "run_host",
    r"pipeline/(breadcrumbs|host|cluster_worker):.*\bleave": "mark",
    r"(dataset|verification)/.*\balike": "similarity_db",
    r"(engines|pipeline)/.*\(done\)": "on_result",
    r"(imaging/renderer|pipeline/cluster_worker):.*\(begin\)": "on_start",
    r"imaging/arrays:behind": "padded_base",
    r"imaging/arrays:padded": "as_bgra",
    r"imaging/arrays:packed": "as_bgr",
    r"(imaging|verification)/.*\(levels\)": "array",
    r"imaging/.*:((from|decode_to|resample|step_on)_levels|levels_of)": "array",
    r"dataset/shards:home": "shard_of",
    r"core/filenames:identity": "collision_key",
    r"imaging/steps/fixed_point:exact": "round_exact",
    r"imaging/steps/fixed_point:fixed": "to_fixed_point",
    r"(benchmark|dataset|pipeline)/.*[.:(]rate\)?": "seconds_per_image or images_per_second",
}

#: Phrases of the same kind that no text contains, with a plain one for each. Texts are compared
#: with their lines joined.
PHRASES = {
    r"so-manieth": "every `step`-th",
    r"whatever (it does|they do) to": "even if it ends",
    r"\b(has|have|had|image|images) in hand\b": "processes",
    r"does not fit into a pipe": "blocks while the pipe is full",
    r"[Ll]et nobody": "delete the tables before the tree changes",
    r"works off": "processes",
    r"NOT well": "Failed",
    r"\bJudge\b": "Write the verdict",
    r"proved right": "verified",
    r"blamed alone": "only the image that crashed its worker is marked as failed",
    r"would give one output": "with the same output name",
    r"has its say": "contend for the GIL",
    r"[Ww]hat each decision bought": "what each optimisation gained",
    r"[Ww]hat won nothing": "what did not help",
    r"\bNot taken\b": "rejected",
    r"ours to bound": "pixelmill does not control",
    r"repay a start": "too short to offset the start-up",
    r"stands? over\b": "the overflow",
    r"[Yy]ardstick": "reference",
    r"[Ll]ays what": "compares",
    r"[Dd]rawn up": "made",
    r"[Dd]raws? up": "make",
    r"(?<![.\w])[Cc]rumbs?\b": "breadcrumb",
    r"\b[Aa]rms?\b": "case",
    r'^imaging/steps/.*"(kept|own)"': "color_only, any_mode",
}

SOURCES = ("scripts/**/*.py", "tests/**/*.py", "examples/*.py")
TEXTS = (
    *SOURCES,
    *("*.md", "docs/**/*.md", "docs/*.svg", "envs/*.md", "envs/kernel/*.[ch]"),
    *("*.yaml", "Makefile", "Snakefile", "workflow/**/*.*", "profiles/**/*.yaml", "examples/*"),
    *("scripts/pixelmill/report/templates/*", "scripts/pixelmill/*.pyi"),
)


def files(repository, patterns):
    """Text of each file but this one, by its path, without the folder of the library."""
    found = {}
    for path in {path for pattern in patterns for path in repository.glob(pattern)}:
        if path.is_file() and path.name != "test_vocabulary.py":
            place = path.relative_to(repository).as_posix().removeprefix("scripts/pixelmill/")
            found[place] = path.read_text(encoding="utf-8")
    return found


def parameters(arguments):
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [one.arg for one in (*every, arguments.vararg, arguments.kwarg) if one]


def definitions(node, scope=":"):
    """Qualified names of all that a syntax tree defines."""
    for child in ast.iter_child_nodes(node):
        inner = scope
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{scope}{child.name}"
            inner = f"{scope}{child.name}."
        elif isinstance(child, ast.Attribute | ast.Name) and isinstance(child.ctx, ast.Store):
            yield f"{scope}{child.attr if isinstance(child, ast.Attribute) else child.id}"
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from (f"{inner[:-1]}({name})" for name in parameters(child.args))
        yield from definitions(child, inner)


def words_of(name):
    """Words of an identifier in lower case: ``_stage_timer_`` of ``StageTimer``."""
    return f"_{'_'.join(re.findall(r'[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+', name))}_".lower()


@pytest.fixture(scope="module")
def defined(repository):
    """Every name that the code defines, as ``module:qualified.name``."""
    return {
        f"{place.removesuffix('.py')}{name}"
        for place, text in files(repository, SOURCES).items()
        for name in definitions(ast.parse(text))
    }


@pytest.fixture(scope="module")
def texts(repository):
    """Texts of code, pages and messages by their paths, with their lines joined."""
    return {
        place: re.sub(r"\s*\n[\s#*>]*", " ", text)
        for place, text in files(repository, TEXTS).items()
    }


def test_definitions_are_found():
    code = "class A:\n def b(self, c, *d): self.e = [f for f in (lambda g: c)()]\nh: int = 1"
    found = set(definitions(ast.parse(code)))
    assert found == {":A", ":A.b", ":A.b.e", ":A.b.f", ":h"} | {
        *(f":A.b({name})" for name in ("self", "c", "d", "g"))
    }
    assert words_of("_TakeOver2") == words_of("take_over_2") == "_take_over_2_"


@pytest.fixture(scope="module")
def words(defined):
    """The words of the last part of every name."""
    return {name: words_of(re.split(r"[.:(]", name)[-1]) for name in defined}


@pytest.mark.parametrize("word", WORDS)
def test_no_name_contains_a_private_word(words, word):
    assert {name for name, own in words.items() if f"_{word}_" in own} == set(), WORDS[word]


@pytest.mark.parametrize("name", NAMES)
def test_no_private_name_is_defined(defined, name):
    found = {one for one in defined if re.fullmatch(name, one)}
    assert {one for one in found if not one.startswith("tests/")} == set(), NAMES[name]


@pytest.mark.parametrize("phrase", PHRASES)
def test_no_text_contains_a_private_phrase(texts, phrase):
    found = {
        place: match[0]
        for place, text in texts.items()
        if (match := re.search(phrase, f"{place} {text}", re.DOTALL))
    }
    assert found == {}, PHRASES[phrase]
