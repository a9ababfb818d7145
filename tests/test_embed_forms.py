"""What embedding models on Bedrock take and send, as values: no request is made here."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragdiet.bedrock import halves, is_too_long
from ragdiet.embed.cohere import ENGLISH_V3, MULTILINGUAL_V3, V4
from ragdiet.embed.decode import mean_vector, unit_vector, vectors_of
from ragdiet.embed.form import pieces, requests
from ragdiet.embed.models import BEDROCK, bedrock_embedder
from ragdiet.embed.nova import NOVA_2
from ragdiet.embed.titan import TITAN_V2
from ragdiet.errors import BadReply, DimensionMismatch, ModelInputError, UnknownModel

FORMS = [ENGLISH_V3, MULTILINGUAL_V3, V4, NOVA_2, TITAN_V2]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.model)
def test_a_model_is_asked_to_refuse_rather_than_to_cut_off(form) -> None:
    body = form.body(["text"], "document", form.dimensions[0], "float")
    asked = body.get("singleEmbeddingParams", {}).get("text", body)
    # Titan has no such setting, and refuses.
    assert asked.get("truncate", asked.get("truncationMode", "NONE")) == "NONE"


def test_questions_and_documents_are_told_apart_where_the_model_does() -> None:
    def purpose(form, kind) -> object:
        body = form.body(["text"], kind, form.dimensions[0], "float")
        return body.get("input_type") or body.get("singleEmbeddingParams", {}).get("embeddingPurpose")

    assert [purpose(ENGLISH_V3, kind) for kind in ("document", "query")] == ["search_document", "search_query"]
    assert [purpose(V4, kind) for kind in ("document", "query")] == ["search_document", "search_query"]
    assert [purpose(NOVA_2, kind) for kind in ("document", "query")] == ["GENERIC_INDEX", "TEXT_RETRIEVAL"]
    assert TITAN_V2.body(["t"], "document", 256, "float") == TITAN_V2.body(["t"], "query", 256, "float")


def test_lengths_are_asked_for_where_a_model_has_several() -> None:
    assert "output_dimension" not in ENGLISH_V3.body(["t"], "query", 1024, "float")
    assert V4.body(["t"], "query", 512, "int8")["output_dimension"] == 512
    assert V4.body(["t"], "query", 512, "int8")["embedding_types"] == ["int8"]
    assert NOVA_2.body(["t"], "query", 384, "float")["singleEmbeddingParams"]["embeddingDimension"] == 384
    assert TITAN_V2.body(["t"], "query", 256, "binary")["embeddingTypes"] == ["binary"]


def test_every_known_id_has_one_embedder() -> None:
    assert {"us.cohere.embed-v4:0", "cohere.embed-english-v3", NOVA_2.model, TITAN_V2.model} <= set(BEDROCK)
    for model, kind in BEDROCK.items():
        assert model in kind.forms
    with pytest.raises(UnknownModel, match="embed-v4:0"):
        bedrock_embedder("cohere.embed-v4")


@pytest.mark.parametrize(
    "words",
    [
        "400 Bad Request: Too many input tokens. Max input tokens: 8192, request input token count: 9000",
        "Malformed input request: #/texts/0: expected maxLength: 2048, actual: 19882",
        "Input is too long for requested model.",
    ],
)
def test_a_refusal_for_length_is_known_by_its_words(words: str) -> None:
    assert is_too_long(ModelInputError(words, code="ValidationException"))


def test_other_refusals_are_not_taken_for_one() -> None:
    assert not is_too_long(ModelInputError("The provided model identifier is invalid.", code="ValidationException"))


@given(st.text(min_size=2, max_size=400))
def test_halves_lose_only_white_space_at_the_cut(text: str) -> None:
    left, right = halves(text)
    assert text.startswith(left)
    assert text.endswith(right)
    assert text[len(left) : len(text) - len(right)].strip() == ""
    if text.strip():
        assert max(len(left), len(right)) < len(text)


@given(st.text(alphabet="ab .\n", max_size=20_000))
def test_pieces_keep_within_the_limits_and_hold_every_word(text: str) -> None:
    if not text.strip():
        return
    found = pieces(text, ENGLISH_V3, len)
    assert all(0 < len(part) <= ENGLISH_V3.most_characters for part in found)
    assert "".join("".join(found).split()) == "".join(text.split())


@given(st.lists(st.integers(1, 60_000), max_size=300))
def test_requests_hold_each_text_once_and_no_more_than_the_model_takes(tokens: list[int]) -> None:
    found = list(requests(tokens, V4))
    assert [place for places in found for place in places] == list(range(len(tokens)))
    for places in found:
        assert len(places) <= V4.texts
        assert len(places) == 1 or sum(tokens[place] for place in places) <= V4.most_request_tokens


def test_as_few_requests_as_the_model_allows() -> None:
    assert [len(places) for places in requests([10] * 200, V4)] == [67, 67, 66]
    assert len(list(requests([10] * 96, V4))) == 1
    assert len(list(requests([10] * 5, TITAN_V2))) == 5


NUMBERS = [
    ("float", [3.0, -4.0, 0, 0, 0, 0, 0, 0]),
    ("int8", [3, -4, 0, 0, 0, 0, 0, 0]),
    ("uint8", [131, 124, 128, 128, 128, 128, 128, 128]),
]


@pytest.mark.parametrize(("kind", "raw"), NUMBERS)
def test_numbers_of_each_type_are_the_same_vector(kind, raw) -> None:
    assert np.allclose(unit_vector(raw, 8, kind=kind, model="m"), [0.6, -0.8, 0, 0, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("kind", "raw"),
    [("ubinary", [0b11110000]), ("binary", [0b11110000 - 128]), ("binary", [1, 1, 1, 1, 0, 0, 0, 0])],
)
def test_bits_are_plus_and_minus(kind, raw) -> None:
    assert np.allclose(unit_vector(raw, 8, kind=kind, model="m"), np.repeat([8**-0.5, -(8**-0.5)], 4))


@pytest.mark.parametrize(
    ("kind", "raw", "error"),
    [
        ("float", [0.0] * 8, BadReply),
        ("float", [float("nan")] * 8, BadReply),
        ("float", [1.0] * 7, DimensionMismatch),
        ("uint8", [128] * 8, BadReply),
        ("ubinary", [256], BadReply),
        ("ubinary", [0.5], BadReply),
        ("binary", [200], BadReply),
        ("ubinary", [1, 2], DimensionMismatch),
        ("int8", None, DimensionMismatch),
        ("int8", ["word"], BadReply),
    ],
)
def test_what_is_no_vector_is_refused(kind, raw, error) -> None:
    with pytest.raises(error):
        unit_vector(raw, 8, kind=kind, model="m")


def test_a_mean_is_weighted_by_tokens_and_of_unit_length() -> None:
    one, other = np.float32([1, 0]), np.float32([0, 1])
    assert np.allclose(mean_vector([one, other], [3, 1]), np.array([3, 1]) / 10**0.5)
    assert np.allclose(mean_vector([one, -one], [1, 1]), one)


@pytest.mark.parametrize("found", [None, [], [[1.0]], {"float": [[1.0], [2.0]]}])
def test_vectors_of_another_count_are_refused(found: object) -> None:
    with pytest.raises(BadReply, match="2 texts"):
        vectors_of(found, 2, "m")
