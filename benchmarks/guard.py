"""The guard: what it finds, what it wrongly finds, and that nothing hidden leaves.

    python -m benchmarks.guard --data FOLDER [--out guard.json] [--fit]

- questions: attacks that are refused, and public sets of questions of which none should be;
- passages: orders to the model that are taken out of documents, alone and put into BIPIA's mails, tables and code, and
  sentences of real documents that are taken out wrongly;
- sensitive: recall and precision by kind on Presidio's texts, and on values made here in sentences made here;
- masking: texts whose every value is hidden, and shown again;
- milliseconds of processor time.

``--fit`` first fits the weights anew and writes them into the package.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.datasets import data_folder, read_lines
from benchmarks.gates import sensitive
from benchmarks.guard_fit import fit
from benchmarks.guard_sets import contexts, is_bipia, prompts, questions, sentences
from benchmarks.guard_values import made_texts
from benchmarks.machine import machine
from benchmarks.report import Row, table
from ragdiet.guard import InjectionGuard, Masking
from ragdiet.guard.screen import screened
from ragdiet.load import load
from ragdiet.sensitive import PERSONAL, SECRETS, find
from ragdiet.types import Hit

WEIGHTS = Path(__file__).parents[1] / "src" / "ragdiet" / "guard" / "injection.json"
CORPORA = ("squad_v2", "nq_lost_in_the_middle", "cranfield", "cacm")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--fit", action="store_true")
    arguments = parser.parse_args()
    folder = data_folder(arguments.data)
    if arguments.fit:
        fit(folder, WEIGHTS)
    summary = measure(folder)
    for name, rows in summary.items():
        print(f"\n{name}", *table(rows if isinstance(rows, list) else [rows]), sep="\n")
    if arguments.out:
        arguments.out.write_text(json.dumps({"machine": machine(), "summary": summary}, indent=1) + "\n")


def measure(folder: Path) -> Row:
    """All tables, by what they are of."""
    guard = InjectionGuard()
    return {
        "questions": refused_questions(folder, guard),
        "passages": [*dropped_attacks(folder, guard), *dropped_sentences(folder, guard)],
        "attacks_in_documents": attacks_in_documents(folder, guard),
        "sensitive_presidio": sensitive(folder / "pii_presidio" / "pii.jsonl"),
        "sensitive_made": sensitive_made(),
        "masking": masking(folder),
        "milliseconds": speeds(folder, guard),
    }


def refused_questions(folder: Path, guard: InjectionGuard) -> list[Row]:
    """Attacks by users of the half that was not fitted on, that half's benign texts, and public sets."""
    held_out = [text for text in prompts(folder) if not text.fitted and not is_bipia(text.kind)]
    rows = by_kind([(text.kind, text.is_attack, guard.check_input(text.text).action == "block") for text in held_out])
    for name, asked in questions(folder).items():
        verdicts = [guard.check_input(question) for question in asked]
        rows.append(
            {
                "kind": name,
                "texts": len(asked),
                "false_alarms": share(verdict.action == "block" for verdict in verdicts),
                "highest_score": round(max(verdict.scores["injection"] for verdict in verdicts), 3),
            }
        )
    return rows


def dropped_attacks(folder: Path, guard: InjectionGuard) -> list[Row]:
    """Whole texts of the half that was not fitted on, as passages."""
    held_out = [text for text in prompts(folder) if not text.fitted]
    verdicts = guard.check_passages([text.text for text in held_out])
    return by_kind(
        [
            (text.kind, text.is_attack, verdict.action == "block")
            for text, verdict in zip(held_out, verdicts, strict=True)
        ]
    )


def dropped_sentences(folder: Path, guard: InjectionGuard) -> list[Row]:
    """Sentences of documents that hold no attack: of BIPIA's other half, of corpora and of real documents."""
    texts: dict[str, list[str]] = {
        "BIPIA's contexts": [text for _, text in contexts(folder, fitted=False)],
        **{name: [row["text"] for row in read_lines(folder / name / "corpus.jsonl.gz")] for name in CORPORA},
    }
    root = folder / "real_docs"
    for part in sorted(path for path in root.glob("*/*") if path.is_dir()):
        documents = load(part, rejected=lambda rejection: print(f"rejected: {rejection.uri}"))
        texts[f"real_docs/{part.relative_to(root)}"] = [document.text for document in documents]
    rows = []
    for name, documents in texts.items():
        hits = [Hit(chunk_id=n, document_id=str(n), text=text, score=1.0) for n, text in enumerate(documents)]
        found = screened(hits, guard.check_passages)
        count = sum(len(sentences(text)) for text in documents)
        rows.append(
            {
                "kind": name,
                "texts": count,
                "false_alarms": round(len(found.withheld) / count, 6),
                "dropped": [each.text for each in found.withheld],
            }
        )
    return rows


def attacks_in_documents(folder: Path, guard: InjectionGuard) -> list[Row]:
    """Each attack of BIPIA's held-out half at the beginning, in the middle and at the end of a held-out document: how
    often its order was taken out, and how many of the document's own sentences with it."""
    attacks = [text for text in prompts(folder) if not text.fitted and text.is_attack and is_bipia(text.kind)]
    documents = [text for _, text in contexts(folder, fitted=False)]
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for number, attack in enumerate(attacks):
        document = documents[number % len(documents)]
        lines = document.split("\n")
        for place, at in (("beginning", 0), ("middle", len(lines) // 2), ("end", len(lines))):
            before, after = "\n".join(lines[:at]), "\n".join(lines[at:])
            text = "\n".join(filter(None, (before, attack.text, after)))
            start = len(before) + bool(before)
            end = start + len(attack.text)
            found = screened([Hit(chunk_id=1, document_id="1", text=text, score=1.0)], guard.check_passages)
            row = counts[f"{attack.kind.split(':')[0]}, {place}"]
            row["attacks"] += 1
            row["found"] += any(each.start < end and start < each.end for each in found.withheld)
            row["sentences"] += len(sentences(document))
            row["lost"] += sum(each.start < start or each.end > end for each in found.withheld)
    return [
        {
            "kind": kind,
            "texts": row["attacks"],
            "recall": round(row["found"] / row["attacks"], 4),
            "own_sentences_lost": f"{row['lost']} of {row['sentences']}",
        }
        for kind, row in sorted(counts.items())
    ]


def sensitive_made() -> list[Row]:
    """A row for each kind of value made here: found whole, and findings where there is none."""
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for kind, text, start, end in made_texts():
        found = find(text)
        rows[kind]["spans"] += 1
        rows[kind]["found"] += any(f.kind == kind and f.start <= start and end <= f.end for f in found)
        for finding in found:
            if not (finding.start < end and start < finding.end):
                rows[finding.kind]["false"] += 1
    return [
        {
            "kind": kind,
            "spans": row["spans"],
            "recall": round(row["found"] / row["spans"], 4) if row["spans"] else None,
            "precision": round(row["found"] / (row["found"] + row["false"]), 4) if row["found"] else None,
        }
        for kind, row in sorted(rows.items())
    ]


def masking(folder: Path) -> Row:
    """Texts with values: how many values are in what would be sent, and how many texts come back as they were."""
    hidden = Masking(models=SECRETS | PERSONAL)
    texts = [row["text"] for row in read_lines(folder / "pii_presidio" / "pii.jsonl")]
    texts += [text for _, text, _, _ in made_texts()]
    values = sent = whole = with_values = 0
    for text in texts:
        found = {text[finding.start : finding.end] for finding in find(text)}
        masked = hidden.for_models([text])
        values += len(found)
        sent += sum(value in masked.texts[0] for value in found)
        with_values += bool(found)
        whole += bool(found) and masked.restore(masked.texts[0]) == text
    return {"texts_with_values": with_values, "values": values, "values_sent": sent, "texts_shown_again_whole": whole}


def speeds(folder: Path, guard: InjectionGuard) -> Row:
    asked = questions(folder)["squad_v2"]
    parts = [s for row in read_lines(folder / "squad_v2" / "corpus.jsonl.gz") for s in sentences(row["text"])]
    hidden = Masking(models=SECRETS | PERSONAL)
    guard.check_passages(parts[:10])
    return {
        "a question": taken(lambda: [guard.check_input(question) for question in asked], len(asked)),
        "100 retrieved sentences": taken(lambda: guard.check_passages(parts), len(parts) / 100),
        "masking 100 retrieved sentences": taken(lambda: hidden.for_models(parts), len(parts) / 100),
    }


def taken(run: Any, count: float) -> float:
    began = time.process_time()
    run()
    return round((time.process_time() - began) * 1e3 / count, 3)


def by_kind(judged: Iterable[tuple[str, bool, bool]]) -> list[Row]:
    """Recall of the attacks, false alarms of the others; a row for each kind."""
    kinds: defaultdict[tuple[bool, str], list[bool]] = defaultdict(list)
    for kind, is_attack, found in judged:
        kinds[not is_attack, kind].append(found)
    return [
        {"kind": kind, "texts": len(found), "false_alarms" if is_other else "recall": share(found)}
        for (is_other, kind), found in sorted(kinds.items())
    ]


def share(found: Iterable[bool]) -> float:
    listed = list(found)
    return round(sum(listed) / len(listed), 4)


if __name__ == "__main__":
    main()
