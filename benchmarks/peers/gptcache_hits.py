"""Which questions GPTCache takes for ones it knows; run by ``benchmarks.money_answers`` in the peers' Python.

    python -m benchmarks.peers.gptcache_hits FILE.npz

Its own ``put`` and ``get`` with its defaults: SearchDistanceEvaluation, a threshold of 0.8, sqlite and faiss. Only the
vectors are given, since the ONNX model that is its default for them has to be downloaded.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
from gptcache import Cache
from gptcache.adapter.api import get, put
from gptcache.manager import CacheBase, VectorBase, get_data_manager
from gptcache.processor.pre import get_prompt
from gptcache.similarity_evaluation import SearchDistanceEvaluation


def main() -> None:
    given = np.load(Path(sys.argv[1]).resolve())
    known, asked = given["known"], given["asked"]
    vectors = {f"known {row}": vector for row, vector in enumerate(known)}
    vectors |= {f"asked {row}": vector for row, vector in enumerate(asked)}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        cache = Cache()
        cache.init(
            pre_embedding_func=get_prompt,
            embedding_func=lambda prompt, **_: vectors[prompt],
            data_manager=get_data_manager(CacheBase("sqlite"), VectorBase("faiss", dimension=known.shape[1])),
            similarity_evaluation=SearchDistanceEvaluation(),
        )
        for row in range(len(known)):
            put(f"known {row}", str(row), cache_obj=cache)
        hits = [get(f"asked {row}", cache_obj=cache) for row in range(len(asked))]
        threshold = cache.config.similarity_threshold
    found = [None if hit is None else int(hit) for hit in hits]
    print(json.dumps({"hits": found, "threshold": threshold, "version": version("gptcache")}))


if __name__ == "__main__":
    main()
