"""Compile the kernel; what the package is called stands in pyproject.toml."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "pixelmill_kernel",
            ["kernel.c", "measuring.c", "vectors.c"],
            depends=["kernel.h", "passes.h", "resampling.h"],
            # Weights would differ where a product and a sum are rounded only once. With -fwrapv,
            # which Python is compiled with, hashes would take three times as long.
            extra_compile_args=["-O3", "-ffp-contract=off", "-fno-wrapv"],
            py_limited_api=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
