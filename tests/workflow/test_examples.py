"""The examples do what they say: the script, and the notebook cell by cell."""

import json
import subprocess
import sys

import pytest


@pytest.fixture
def python(repository, tmp_path):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=tmp_path,
            env={"PYTHONPATH": str(repository / "scripts"), "PATH": "", "TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_the_script_processes_a_folder_and_says_what_failed(python, repository, photos, tmp_path):
    photos(tmp_path / "in", 2)
    (tmp_path / "in/text.jpg").write_text("no image")
    script = repository / "examples/process_folder.py"
    done = python(script, "in", "out")
    assert done.returncode == 0, done.stderr
    first, second, *_ = done.stdout.splitlines()
    assert first == "2 processed, 0 unchanged, 1 failed"
    assert second.startswith("  text.jpg: ")
    assert python(script, "in", "out").stdout.startswith("0 processed, 2 unchanged, 1 failed\n")


def test_the_script_tells_a_mistake_in_one_sentence(python, repository):
    done = python(repository / "examples/process_folder.py", "missing", "out")
    assert done.returncode == 2
    assert "'missing'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom(python, repository, tmp_path):
    path = repository / "examples/process_folder.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code")
    # As in a notebook, the value of a cell's last line is shown, and no main program is guarded.
    program = "import ast\nnames = {}\n" + "".join(
        f"*first, last = ast.parse({cell!r}).body\n"
        "exec(compile(ast.Module(first, []), 'cell', 'exec'), names)\n"
        "kind = 'eval' if isinstance(last, ast.Expr) else 'exec'\n"
        "part = ast.Expression(last.value) if kind == 'eval' else ast.Module([last], [])\n"
        "print(eval(compile(part, 'cell', kind), names))\n"
        for cell in cells
    )
    done = python("-c", program)
    assert done.returncode == 0, done.stderr
    assert "(12, 0, 0)" in done.stdout
    assert "(1, 10)" in done.stdout
    assert "broken.jpg truncated" in done.stdout
    assert "(True, " in done.stdout
