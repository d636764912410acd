"""A report names the version of everything that decides its numbers, and the commit of the code."""

import shutil
import subprocess

import pytest

from pixelmill.benchmark.environment import commit, software

DIGEST = "0123456789abcdef0123456789abcdef01234567"


def test_the_software_has_its_versions():
    found = software()
    assert found["pixelmill"][0].isdigit()
    assert {"Python", "Pillow", "NumPy", "Dask", "Snakemake"} <= found.keys()


def test_the_commit_of_a_branch_is_in_a_file_of_its_own_or_in_that_of_all(tmp_path):
    git = tmp_path / ".git"
    (git / "refs/heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n", "utf-8")
    (git / "packed-refs").write_text(f"# pack-refs\n{DIGEST} refs/heads/main\n", "utf-8")
    assert commit(tmp_path) == DIGEST[:12]
    (git / "refs/heads/main").write_text(f"{DIGEST[::-1]}\n", "utf-8")
    assert commit(tmp_path) == DIGEST[::-1][:12]
    (git / "HEAD").write_text(DIGEST, "utf-8")
    assert commit(tmp_path) == DIGEST[:12]


@pytest.mark.parametrize("head", [None, "", "ref: refs/heads/none", "nonsense"])
def test_without_a_commit_there_is_none(tmp_path, head):
    if head is not None:
        (tmp_path / ".git").mkdir()
        (tmp_path / ".git/HEAD").write_text(head, "utf-8")
    assert commit(tmp_path) == ""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("git") is None, reason="git is not on PATH")
def test_the_commit_is_that_which_git_tells_in_a_further_working_tree_too(tmp_path):
    def git(*words, cwd=tmp_path):
        names = ("-c", "user.name=A", "-c", "user.email=a@b.c")
        done = subprocess.run(
            ["git", *names, *words], cwd=cwd, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    git("init", "-q", "one")
    git("commit", "-q", "--allow-empty", "-m", "first", cwd=tmp_path / "one")
    git("worktree", "add", "-q", "../two", "-b", "other", cwd=tmp_path / "one")
    git("commit", "-q", "--allow-empty", "-m", "second", cwd=tmp_path / "two")
    heads = {name: git("rev-parse", "HEAD", cwd=tmp_path / name)[:12] for name in ("one", "two")}
    assert {name: commit(tmp_path / name) for name in heads} == heads
    git("pack-refs", "--all", cwd=tmp_path / "one")
    assert {name: commit(tmp_path / name) for name in heads} == heads
