"""Mutation testing: insert mutants drawn with mutmut, and run the fast tests against each.

It needs mutmut and coverage, which the tests do not, in a folder of their own::

    pip install --no-deps --target ../mutation-tools mutmut libcst coverage pytest-cov
    export PYTHONPATH=../mutation-tools
    python -m pytest -n auto -m "not slow" --cov=pixelmill --cov-context=test --cov-report=
    python -m tests.helpers.mutants [MUTANT, MODULE or MODULE:COUNT ...]

The first command notes in ``.coverage`` which tests run which lines. Then each mutant is written
into a copy of the repository, so that child processes of tests run it too, and faces the tests
that run its line, those of its module's own file first, then the rest of that file. It is caught
if one fails, or if they take far too long. Results are kept in ``mutants.jsonl``: what was caught
is not run again. Prints the others at the end.
"""

import argparse
import ast
import contextlib
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import libcst
from coverage import CoverageData
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

SEED = 20261128
MUTANTS = 640

#: Modules whose decisions are tested: on staleness, removal, durability, limits, verification,
#: geometry and colour.
MODULES = (
    "dataset/plan",
    "dataset/ledger",
    "dataset/entries",
    "dataset/catalog",
    "dataset/globs",
    "dataset/ledger_rows",
    "dataset/passes",
    "core/fingerprints",
    "dataset/shards",
    "dataset/ledger_backup",
    "dataset/output_tree",
    "pipeline/source_guard",
    "app/cleanup",
    "dataset/output_names",
    "core/files",
    "dataset/ledger_tables",
    "core/databases",
    "imaging/codecs/limits",
    "verification/expectations",
    "verification/verify",
    "verification/checks",
    "verification/picture_check",
    "verification/suspected_faults",
    "verification/similarity",
    "verification/inspector",
    "verification/expected_geometry",
    "verification/exact_resampling",
    "verification/color_conversion",
    "imaging/steps/geometry",
    "imaging/steps/resize",
    "imaging/steps/resampling",
    "imaging/steps/canvas",
    "imaging/codecs/jpeg",
    "imaging/codecs/color",
    "imaging/codecs/color_management",
    "imaging/codecs/colorimetry",
    "imaging/codecs/icc",
    "imaging/codecs/photometric",
    "imaging/steps/alpha",
    "imaging/arrays",
    "imaging/steps/tones",
)

REPOSITORY = Path(__file__).parents[2]
LIBRARY = Path("scripts/pixelmill")
RESULTS = REPOSITORY / "mutants.jsonl"

#: Largest number of tests per mutant, and seconds that they may take.
MOST_TESTS, LONGEST = 200, 300


def lines_of_code(tree):
    """Numbers of lines with code: neither blank, comment nor docstring."""
    texts = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, node.end_lineno + 1)
    }
    return {node.lineno for node in ast.walk(tree) if hasattr(node, "lineno")} - texts


def mutations(text):
    """Original and mutated nodes in a module's text, by line and operator of mutmut.

    Left out are annotations, aliases of types, decorators, ``__all__``, calls of the log, and
    texts for people (strings with a space in them).
    """
    tree = MetadataWrapper(libcst.parse_module(text), unsafe_skip_copy=True)
    places = tree.resolve(PositionProvider)
    found = defaultdict(lambda: defaultdict(list))

    class Visitor(libcst.CSTVisitor):
        line = 1

        def on_visit(self, node):
            if isinstance(node, libcst.Annotation | libcst.Decorator | libcst.Import):
                return False
            if isinstance(node, libcst.SimpleStatementLine | libcst.BaseString):
                code = tree.module.code_for_node(node).strip()
                if isinstance(node, libcst.BaseString) and " " in code:
                    return False
                if code.startswith(("from ", "__all__", '"""', "log.")) or ": TypeAlias" in code:
                    return False
            if node in places:
                self.line = places[node].start.line
            for kind, operator in mutation_operators:
                made = list(operator(node)) if isinstance(node, kind) else []
                if made:
                    found[self.line][operator.__name__] += [(node, each) for each in made]
            return True

    tree.module.visit(Visitor())
    return tree.module, found


def draw(names, more):
    """Draw mutants of modules in proportion to their lines of code; at most one per line.

    With names of modules or mutants, only those of these modules. `more` has the numbers of
    mutants of other modules, or of modules of which as many are wanted.
    """

    def text_of(name):
        return (REPOSITORY / LIBRARY / f"{name}.py").read_text("utf-8")

    texts = {name: text_of(name) for name in (*MODULES, *more)}
    sizes = {name: len(lines_of_code(ast.parse(texts[name]))) for name in MODULES}
    shares = {name: MUTANTS * size / sum(sizes.values()) for name, size in sizes.items()}
    counts = {name: int(share) for name, share in shares.items()}
    by_rest = sorted(MODULES, key=lambda name: counts[name] - shares[name])
    for name in by_rest[: MUTANTS - sum(counts.values())]:
        counts[name] += 1
    counts |= more
    modules = {name.partition("-")[0] for name in names} or MODULES
    for name, text in texts.items():
        if name not in modules:
            continue
        chance = random.Random(f"{SEED} {name}")
        module, found = mutations(text)
        lines = chance.sample(sorted(found), len(found))
        made = ((line, mutant_of(module, found[line], chance)) for line in lines)
        drawn = itertools.islice(((line, mutant) for line, mutant in made if mutant), counts[name])
        for number, (line, mutant) in enumerate(sorted(drawn), 1):
            yield {"id": f"{name}-{number}", "module": name, "line": line} | mutant


def mutant_of(module, operators, chance):
    """Draw one mutant of a line, with equal chances for all operators that apply."""
    original = ast.dump(ast.parse(module.code))
    for operator in chance.sample(sorted(operators), len(operators)):
        for node, mutated in chance.sample(operators[operator], len(operators[operator])):
            source = module.deep_replace(node, mutated).code
            with contextlib.suppress(SyntaxError):
                if ast.dump(ast.parse(source)) != original:
                    change = [module.code_for_node(part).strip() for part in (node, mutated)]
                    return {"change": "  ->  ".join(change), "source": source}
    return None


def statement_around(text, line):
    """The lines of the statement, or of the head of a block, that contains a line."""
    first = last = line
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.stmt) and node.lineno <= line <= node.end_lineno:
            body = getattr(node, "body", None)
            end = max(node.lineno, body[0].lineno - 1) if body else node.end_lineno
            if line <= end:
                first, last = node.lineno, end
    return range(first, last + 1)


def tests_for(mutant, coverage):
    """Tests that run the line of a mutant, or that are in the test file of its module, in order."""
    path = REPOSITORY / LIBRARY / f"{mutant['module']}.py"
    contexts = coverage.contexts_by_lineno(str(path))
    package, _, name = mutant["module"].rpartition("/")
    own = f"tests/unit/{package}/test_{name}.py"
    lines = statement_around(path.read_text("utf-8"), mutant["line"])
    # The parameters of a test may contain the mark that precedes the phase.
    ran = {context.rpartition("|")[0] for line in lines for context in contexts.get(line, ())}
    tests = ran - {""}
    chosen = sorted(tests, key=lambda test: (not test.startswith(own), test))[:MOST_TESTS]
    return chosen + [own] * (REPOSITORY / own).exists()


def is_caught(tree, mutant, tests):
    """Whether a test fails against a mutant in a copy of the repository."""
    path = tree / LIBRARY / f"{mutant['module']}.py"
    original = path.read_text("utf-8")
    path.write_text(mutant["source"], "utf-8")
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "not slow", *tests]
    try:
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        done = subprocess.run(command, cwd=tree, env=environment, timeout=LONGEST, **quiet)
        return done.returncode != 0
    except subprocess.TimeoutExpired:
        return True
    finally:
        path.write_text(original, "utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="of mutants or of modules, as NAME or NAME:COUNT")
    given = [name.partition(":") for name in parser.parse_args().names]
    names, more = {name for name, *_ in given}, {n: int(count) for n, _, count in given if count}
    coverage = CoverageData(str(REPOSITORY / ".coverage"))
    coverage.read()
    known = [json.loads(line) for line in RESULTS.open()] if RESULTS.exists() else []
    caught = {result["id"]: result["caught"] for result in known}
    drawn = [m for m in draw(names, more) if not names or names & {m["id"], m["module"]}]
    with tempfile.TemporaryDirectory() as folder, RESULTS.open("a") as file:
        tree = Path(folder, "tree")
        shutil.copytree(REPOSITORY, tree, ignore=shutil.ignore_patterns(".git", ".venv"))
        for mutant in drawn:
            if not caught.get(mutant["id"]):
                caught[mutant["id"]] = is_caught(tree, mutant, tests_for(mutant, coverage))
                result = {"id": mutant["id"], "caught": caught[mutant["id"]]}
                print(json.dumps(result), file=file, flush=True)
    for mutant in drawn:
        if not caught[mutant["id"]]:
            print(f"{mutant['id']} ({mutant['module']}.py, {mutant['line']}): {mutant['change']}")
    print(f"{sum(caught[mutant['id']] for mutant in drawn)} of {len(drawn)} were caught.")


if __name__ == "__main__":
    main()
