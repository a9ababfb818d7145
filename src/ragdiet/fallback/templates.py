"""What is said when no answer can be stood by, by reason and language, and the check of a user's own words."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from typing import Literal, TypeAlias, get_args

from ragdiet.errors import BadTemplate, InvalidArgument

Reason: TypeAlias = Literal[
    "nothing found",
    "not supported",
    "out of time",
    "over budget",
    "models failed",
    "refused",
    "guard failed",
    "cancelled",
]

_REASONS: tuple[Reason, ...] = get_args(Reason)
_DEFAULT = "english"
# In the order of the reasons, then the line of the sources.
_WORDS: dict[str, tuple[str, ...]] = {
    "english": (
        "The documents do not seem to hold an answer to this.",
        "I found no answer to this that the documents clearly support.",
        "I could not finish an answer in the time given.",
        "An answer to this would cost more than is allowed.",
        "The models that could answer this are not available at the moment.",
        "This cannot be answered here.",
        "A check that every question has to pass is not available at the moment.",
        "The question was withdrawn before it was answered.",
        "Nearest: {sources}",
    ),
    "german": (
        "Die Dokumente scheinen keine Antwort darauf zu enthalten.",
        "Ich habe keine Antwort gefunden, die durch die Dokumente klar belegt ist.",
        "In der vorgegebenen Zeit konnte ich keine Antwort fertigstellen.",
        "Eine Antwort darauf würde mehr kosten, als erlaubt ist.",
        "Die Modelle, die diese Frage beantworten könnten, sind zurzeit nicht verfügbar.",
        "Diese Frage kann hier nicht beantwortet werden.",
        "Eine Prüfung, die jede Frage durchlaufen muss, ist zurzeit nicht verfügbar.",
        "Die Frage wurde zurückgezogen, bevor sie beantwortet war.",
        "Am nächsten kommen: {sources}",
    ),
    "french": (
        "Les documents ne semblent pas contenir de réponse à cette question.",
        "Je n'ai pas trouvé de réponse clairement appuyée par les documents.",
        "Je n'ai pas pu terminer la réponse dans le temps imparti.",
        "Répondre à cette question coûterait plus que ce qui est autorisé.",
        "Les modèles capables de répondre à cette question ne sont pas disponibles pour le moment.",
        "Il n'est pas possible de répondre à cette question ici.",
        "Un contrôle que chaque question doit passer n'est pas disponible pour le moment.",
        "La question a été retirée avant qu'une réponse soit donnée.",
        "Sources les plus proches : {sources}",
    ),
    "spanish": (
        "Los documentos no parecen contener una respuesta a esta pregunta.",
        "No he encontrado una respuesta que los documentos respalden claramente.",
        "No he podido terminar la respuesta en el tiempo disponible.",
        "Responder a esta pregunta costaría más de lo permitido.",
        "Los modelos que podrían responder a esta pregunta no están disponibles en este momento.",
        "Esta pregunta no se puede responder aquí.",
        "Una comprobación que toda pregunta debe superar no está disponible en este momento.",
        "La pregunta se retiró antes de recibir respuesta.",
        "Fuentes más cercanas: {sources}",
    ),
    "italian": (
        "I documenti non sembrano contenere una risposta a questa domanda.",
        "Non ho trovato una risposta che i documenti sostengano chiaramente.",
        "Non sono riuscito a completare la risposta nel tempo concesso.",
        "Rispondere a questa domanda costerebbe più di quanto consentito.",
        "I modelli che potrebbero rispondere a questa domanda al momento non sono disponibili.",
        "A questa domanda non è possibile rispondere qui.",
        "Un controllo che ogni domanda deve superare al momento non è disponibile.",
        "La domanda è stata ritirata prima di ricevere una risposta.",
        "Fonti più vicine: {sources}",
    ),
    "portuguese": (
        "Os documentos não parecem conter uma resposta a esta pergunta.",
        "Não encontrei uma resposta que os documentos sustentem claramente.",
        "Não foi possível terminar a resposta no tempo disponível.",
        "Responder a esta pergunta custaria mais do que o permitido.",
        "Os modelos que poderiam responder a esta pergunta não estão disponíveis no momento.",
        "Não é possível responder a esta pergunta aqui.",
        "Uma verificação pela qual toda pergunta tem de passar não está disponível no momento.",
        "A pergunta foi retirada antes de ser respondida.",
        "Fontes mais próximas: {sources}",
    ),
    "dutch": (
        "De documenten lijken hier geen antwoord op te bevatten.",
        "Ik heb geen antwoord gevonden dat duidelijk door de documenten wordt ondersteund.",
        "Ik kon binnen de gegeven tijd geen antwoord afronden.",
        "Een antwoord hierop zou meer kosten dan is toegestaan.",
        "De modellen die dit zouden kunnen beantwoorden, zijn op dit moment niet beschikbaar.",
        "Deze vraag kan hier niet worden beantwoord.",
        "Een controle die elke vraag moet doorstaan, is op dit moment niet beschikbaar.",
        "De vraag is ingetrokken voordat ze was beantwoord.",
        "Dichtstbijzijnde bronnen: {sources}",
    ),
    "japanese": (
        "この質問への回答は、文書の中に見当たらないようです。",
        "文書によって明確に裏付けられる回答は見つかりませんでした。",
        "指定された時間内に回答を完成できませんでした。",
        "この質問への回答には、許可された額を超える費用がかかります。",
        "この質問に回答できるモデルは、現在利用できません。",
        "この質問には、ここではお答えできません。",
        "すべての質問に必要な確認が、現在利用できません。",
        "回答の前に質問が取り消されました。",
        "関連する資料: {sources}",
    ),
}
LANGUAGES = tuple(_WORDS)


def template(reason: Reason, language: str) -> str:
    """The packaged words; in English for a language that has none."""
    *said, nearest = _WORDS.get(language, _WORDS[_DEFAULT])
    return f"{said[_REASONS.index(reason)]}\n{nearest}"


def filled(template: str, sources: str) -> str:
    """The template with its sources; without the lines that name them where there are none.

    >>> filled("Sorry, that is not in here.\\nTry {sources}.", "Leaving [1]")
    'Sorry, that is not in here.\\nTry Leaving [1].'
    >>> filled("Sorry, that is not in here.\\nTry {sources}.", "")
    'Sorry, that is not in here.'
    """
    lines = template.splitlines() if sources else _lines_without(template)
    return "\n".join(line.format(sources=sources) for line in lines)


def checked_language(language: str) -> str:
    """A language that there are templates for. Raises InvalidArgument."""
    if language not in _WORDS:
        raise InvalidArgument(
            f"no safe replies in {language!r}: give one of {', '.join(LANGUAGES)}, or templates of your own"
        )
    return language


def checked_templates(templates: Mapping[Reason, str]) -> dict[Reason, str]:
    """Templates that can be filled, whatever is found. Raises BadTemplate."""
    return {_checked_reason(reason): _checked_template(reason, text) for reason, text in templates.items()}


def _checked_reason(reason: Reason) -> Reason:
    if reason not in _REASONS:
        raise BadTemplate(f"no safe reply is given for {reason!r}: the reasons are {', '.join(_REASONS)}")
    return reason


def _checked_template(reason: Reason, text: str) -> str:
    what = f"the template for {reason!r}"
    if not isinstance(text, str):
        raise BadTemplate(f"{what} is {text!r}: give a text")
    try:
        names = _placeholders(text)
    except ValueError as error:
        raise BadTemplate(f"{what} has a brace that is no placeholder's ({error}): write it twice") from error
    if unknown := [name for name in names if name != "sources"]:
        raise BadTemplate(f"{what} has the placeholder {{{unknown[0]}}}, which is not known: only {{sources}} is")
    if any(form or convert for _, _, form, convert in Formatter().parse(text)):
        raise BadTemplate(f"{what} says how to write its placeholder: give {{sources}} alone")
    if not names:
        raise BadTemplate(f"{what} lacks its placeholder: put {{sources}} where the nearest sources are to stand")
    if not any(line.strip() for line in _lines_without(text)):
        raise BadTemplate(f"{what} says nothing where no source was found: give it a line without {{sources}} too")
    return text


def _lines_without(template: str) -> list[str]:
    return [line for line in template.splitlines() if not _placeholders(line)]


def _placeholders(text: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(text) if name is not None]
