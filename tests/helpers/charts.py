"""Data of charts, as the files of a run have them."""

ROWS = [
    {"engine": "sequential", "workers": 1, "images_per_second": 12.5, "speedup": 1.0},
    {"engine": "threads", "workers": 2, "images_per_second": 25.0, "speedup": 2.0},
]

#: As scaling.json has it.
BENCHMARK = {
    "images": 1000,
    "repeats": 5,
    "figures": [
        {"kind": "overhead", "workers": 1, "images_per_second": 9.0, "slowest": 8, "fastest": 9},
        {"kind": "loop", "workers": 1, "images_per_second": 80.0, "slowest": 70, "fastest": 90},
        *(
            {
                "kind": kind,
                "workers": count,
                "images_per_second": 78.0 * count,
                "slowest": 70.0 * count,
                "fastest": 80.0 * count,
                "speedup": 0.97 * count,
                "speedup_spread": [0.9 * count, 1.02 * count],
            }
            for kind in ("ceiling", "threads", "processes")
            for count in (1, 2, 4)
        ),
    ],
    "fits": {
        "threads": {
            "amdahl": {"serial_share": 0.02, "low": 0.01, "high": 0.03, "one_worker": 0.8},
            "usl": None,
            "predictions": [{"workers": n, "speedup": n * 0.8, "low": n * 0.7, "high": n * 0.9}
                            for n in (8, 32)],
        }
    },
}  # fmt: skip

TIMES = [
    {
        "engine": engine,
        "stages": {"read": 0.001, "decode": 0.002, "steps": 0.004, "encode": 0.001, "wait": 0.001},
        "latency": {"edges": [0.001, 0.01, 0.1], "counts": [90, 10], "median": 0.005, "p95": 0.05},
        "slowest": [{"image": "a.jpg", "seconds": 0.09}],
        "workers": [{"worker": k + 1, "images": 50, "busy": [[0.0, 1.0], [2.0, 3.0]]}
                    for k in range(count)],
    }
    for engine, count in (("sequential", 1), ("threads", 2))
]  # fmt: skip

RANKING = {
    "images": 1000,
    "repeats": 5,
    "workers": 2,
    "rows": [
        {"kind": "threads", "workers": 2, "images_per_second": 40.0, "slowest": 38, "fastest": 41},
        {"kind": "rival", "tool": "gm", "workers": 2, "images_per_second": 20.0, "slowest": 19,
         "fastest": 22},
    ],
}  # fmt: skip
