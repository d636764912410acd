"""pixelmill: a folder of images in, processed and verified images out.

Data flows one way: catalog -> plan -> batches -> outcomes -> ledger -> manifest
-> verification -> report. Imports run one way too, from the package that people reach to the
one that knows no image: app, report, benchmark, pipeline and verification, dataset, imaging
and engines, core.
"""

__version__ = "0.2.0"

#: Public names, and the modules that they are imported from when they are first used. Type
#: checkers read `__init__.pyi`.
_PUBLIC = {
    "process": "app.api",
    "verify": "app.api",
    "plan": "app.api",
    "generate": "app.api",
    "Recipe": "imaging.recipe",
    "step": "imaging.steps.registry",
    "UserError": "core.errors",
    "ImageError": "core.errors",
}

__all__ = [
    "ImageError",
    "Recipe",
    "UserError",
    "__version__",
    "generate",
    "plan",
    "process",
    "step",
    "verify",
]


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
