"""The environment of a measurement is recorded completely."""

from pixelmill.benchmark.environment import software
from pixelmill.imaging.fingerprint import rendering_software


def test_the_report_names_more_software_than_decides_pixels():
    more = {"pixelmill", "Python", "Snakemake", "Dask", "OpenCV"}
    assert software().keys() >= {*rendering_software(), *more}
