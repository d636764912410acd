"""The project's files are found beside the package."""

from pixelmill.core.project import PACKAGE, PROJECT, SCHEMAS, SCRIPTS


def test_in_a_clone_they_are_the_repositorys(repository):
    assert repository == PROJECT
    assert repository / "scripts/pixelmill" == PACKAGE
    assert (SCHEMAS / "config.schema.yaml").is_file()
    assert (SCRIPTS / "generate.py").is_file()
