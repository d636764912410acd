"""The data of a report in which every figure is recognised, wherever a page shows it."""

#: Every figure differs from the others, so that it is recognised in any cell.
PASS = {
    "dataset": "demo", "recipe": "light", "engine": "threads", "workers": 3, "images": 5000,
    "seconds": 7.11, "images_per_second": 13.2, "megapixels_per_second": 17.4, "speedup": 1.91,
    "efficiency": 0.23, "startup_seconds": 0.29, "failed": 31,
}  # fmt: skip

#: A pass that is not compared with another one.
ALONE = {**PASS, "engine": "futures", "speedup": "run: this", "efficiency": ""}

TIMES = {
    "dataset": "demo",
    "recipe": "light",
    "engine": "threads",
    "images": 6000,
    "stages": {"read": 0.001},
    "cpu_seconds": 0.0088,
    "latency": {
        "edges": [0.001, 0.1], "counts": [6000], "median": 0.011, "p95": 0.022, "p99": 0.033,
        "slowest": 0.044,
    },
    "slowest": [
        {"image": "a.jpg", "seconds": 0.055, "stages": {"read": 0.066, "decode": 0.077}},
    ],
    "workers": [],
}  # fmt: skip

MEASURED = {
    "kind": "threads", "workers": 3, "images_per_second": 101.2, "slowest": 97.3, "fastest": 103.4,
    "speedup": 1.57, "efficiency": 0.61, "engine_efficiency": 0.67, "serial_share": 0.711,
    "karp_flatt": 0.733, "startup_seconds": 0.79, "tail_seconds": 0.83, "peak_mib": 890.6,
}  # fmt: skip

FITS = {
    "threads": {
        "amdahl": {"serial_share": 0.021, "low": 0.013, "high": 0.034, "one_worker": 0.9},
        "usl": {
            "sigma": 0.0141, "sigma_low": 0.1, "sigma_high": 0.2, "kappa": 0.00025,
            "kappa_low": 0.3, "kappa_high": 0.4, "one_worker": 0.9,
        },
        "note": "",
        "predictions": [{"workers": 6, "speedup": 4.4, "low": 3.8, "high": 5.2}],
    }
}  # fmt: skip

RIVAL = {
    "kind": "rival", "tool": "gm", "workers": 3, "images_per_second": 61.8, "slowest": 60.0,
    "fastest": 63.0, "speedup": 0.59, "of_ours": 0.43, "of_ours_spread": [0.41, 0.47],
    "equal": False, "images": 4999, "peak_mib": 71.2, "version": "1.3.40",
}  # fmt: skip

CHECK = {
    "name": "sha256", "passed": False, "compared": 1009, "not_compared": 113, "differing": 127,
    "question": "Is it so?", "named": [],
}  # fmt: skip

NAMES = {"dataset": "demo", "recipe": "light"}

CONDITIONS = {
    "started": 1_000_000_000.0, "load_before": 0.61, "load_after": 2.9, "cpu_seconds": 5.7,
    "other_cores": 0.37, "steal": 0.019,
}  # fmt: skip

REPORT = {
    "created": "2026-11-05T09:03:00+01:00",
    "commit": "0123456789ab",
    "command": "snakemake",
    "commands": {
        "all": "make all", "process": "make process", "scaling": "make scaling",
        "rivals": "make rivals", "report": "make report",
    },
    "machine": {"processor": "Quick 1", "cores": 4, "memory_gib": 8, "system": "Linux"},
    "software": {"Pillow": "13.0"},
    "rows": [PASS, ALONE],
    "conditions": [{**NAMES, "engine": "threads", **CONDITIONS}],
    "times": [TIMES],
    "scaling": [
        {
            **NAMES, "images": 5001, "repeats": 9, "figures": [MEASURED], "fits": FITS,
            "advice": [], "stale": False,
        }
    ],
    "rivals": [
        {
            **NAMES, "images": 5002, "repeats": 8, "workers": 3, "ours": "threads",
            "rows": [RIVAL], "stale": False,
        }
    ],
    "failures": [
        {
            **NAMES, "engine": "threads", "failed": 31, "images": 5000,
            "reasons": {"corrupt": 30, "truncated": 1},
            "listed": [
                {"source": "b.jpg", "stage": "decode", "reason": "corrupt", "message": "bad bits"}
            ],
        }
    ],
    "verifications": [
        {**NAMES, "engine": "threads", "passed": False, "summary": "Looked.", "checks": [CHECK]}
    ],
    "comparisons": [{**NAMES, "passed": True, "summary": "All alike.", "checks": []}],
    "sandbox": "",
    "sizes": [{**NAMES, "bytes_in": 24_000_000, "bytes_out": 6_000_000}],
    "passed": False,
    "config": {},
    "verdict": {
        "state": "failure", "sentence": "Failed.", "images": 5000, "processed": 4969, "failed": 31,
    },
}  # fmt: skip
