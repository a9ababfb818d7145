"""Tests of ingest, retrieve and ask once more, as the role that runs in production: it owns nothing.

pytest collects what is imported here under this module's fixtures: ``database`` connects as the runtime role,
and ``dsn``, with which the tests look at the rows, as the superuser.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ragdiet.store import Database
from tests.conftest import Roles
from tests.test_ask import (
    test_a_failing_model_is_not_the_callers_problem,
    test_an_answer_names_its_source,
    test_every_stage_has_its_row_under_one_prompt_id,
    test_failed_calls_are_in_the_ledger,
    test_max_cost_is_never_passed,
    test_stages_one_by_one_are_what_ask_does,
)
from tests.test_embedding_cache import (
    test_collections_of_a_tenant_share_what_was_embedded,
    test_sentence_vectors_are_cached_with_their_text,
    test_vectors_of_removed_chunks_are_kept,
    test_what_a_throttled_run_embedded_is_not_embedded_again,
)
from tests.test_ingest import (
    test_average_length_is_made_anew_when_it_drifts,
    test_changed_document_replaces_only_its_changed_chunks,
    test_new_metadata_embeds_nothing,
    test_one_text_without_a_usable_vector_costs_its_document_alone,
    test_statistics_follow_every_change,
    test_sync_touches_no_other_collection_or_tenant,
)
from tests.test_ingest_copies import (
    test_a_copy_of_a_stored_document_is_rejected_in_every_later_run,
    test_a_near_copy_says_nothing_of_its_own,
    test_lines_that_many_documents_begin_or_end_with_are_left_out,
    test_text_that_moves_from_one_document_to_another_is_not_lost,
)
from tests.test_ingest_runs import (
    large_load,
    test_a_collection_is_made_anew_beside_the_old_one_and_swapped,
    test_a_collection_that_is_dropped_in_mid_ingest,
    test_a_reader_sees_one_collection_or_the_other,
    test_an_unchanged_document_takes_the_expiry_of_the_last_ingest,
    test_expired_documents_are_not_found_and_are_swept,
)
from tests.test_retrieve import (
    filled,
    test_bm25_scores_are_those_of_bm25s,
    test_filter_keeps_only_what_has_the_values,
    test_fusion_is_the_weighted_sum_of_standardised_scores,
    test_index_finds_what_the_exact_scan_finds,
    test_k_above_the_rows_there_are,
    test_tenants_and_collections_are_apart,
)

__all__ = [
    "filled",
    "large_load",
    "test_a_collection_is_made_anew_beside_the_old_one_and_swapped",
    "test_a_collection_that_is_dropped_in_mid_ingest",
    "test_a_copy_of_a_stored_document_is_rejected_in_every_later_run",
    "test_a_failing_model_is_not_the_callers_problem",
    "test_a_near_copy_says_nothing_of_its_own",
    "test_a_reader_sees_one_collection_or_the_other",
    "test_an_answer_names_its_source",
    "test_an_unchanged_document_takes_the_expiry_of_the_last_ingest",
    "test_average_length_is_made_anew_when_it_drifts",
    "test_bm25_scores_are_those_of_bm25s",
    "test_changed_document_replaces_only_its_changed_chunks",
    "test_collections_of_a_tenant_share_what_was_embedded",
    "test_every_stage_has_its_row_under_one_prompt_id",
    "test_expired_documents_are_not_found_and_are_swept",
    "test_failed_calls_are_in_the_ledger",
    "test_filter_keeps_only_what_has_the_values",
    "test_fusion_is_the_weighted_sum_of_standardised_scores",
    "test_index_finds_what_the_exact_scan_finds",
    "test_k_above_the_rows_there_are",
    "test_lines_that_many_documents_begin_or_end_with_are_left_out",
    "test_max_cost_is_never_passed",
    "test_new_metadata_embeds_nothing",
    "test_one_text_without_a_usable_vector_costs_its_document_alone",
    "test_sentence_vectors_are_cached_with_their_text",
    "test_stages_one_by_one_are_what_ask_does",
    "test_statistics_follow_every_change",
    "test_sync_touches_no_other_collection_or_tenant",
    "test_tenants_and_collections_are_apart",
    "test_text_that_moves_from_one_document_to_another_is_not_lost",
    "test_vectors_of_removed_chunks_are_kept",
    "test_what_a_throttled_run_embedded_is_not_embedded_again",
]


@pytest.fixture
def dsn(roles: Roles) -> str:
    return roles.admin


@pytest.fixture
def database(roles: Roles) -> Iterator[Database]:
    opened = Database(roles.app, timeout=5)
    yield opened
    opened.close()
