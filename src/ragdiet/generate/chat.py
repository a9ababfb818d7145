"""A prompt as the chat messages that most servers and local models take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragdiet.generate.prompt import prefix, user_message

if TYPE_CHECKING:
    from ragdiet.types import Prompt


def chat_messages(prompt: Prompt) -> list[dict[str, str]]:
    """The system text, the turns, and the question with its sources: none blank, the user first, roles by turns."""
    turns = [(turn.role, turn.text) for turn in prompt.history if turn.text.strip()]
    messages: list[dict[str, str]] = []
    for role, text in [*turns, ("user", user_message(prompt))]:
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += f"\n\n{text}"
        elif messages or role == "user":
            messages.append({"role": role, "content": text})
    before = prefix(prompt)
    return [{"role": "system", "content": before}, *messages] if before.strip() else messages
