from ragdiet.openai.client import OpenAIClient
from ragdiet.openai.errors import http_error, mapped_http_errors
from ragdiet.openai.price import GpuHour, SelfHostedPrice, price_of
from ragdiet.openai.usage import chat_usage, stop_reason

__all__ = [
    "GpuHour",
    "OpenAIClient",
    "SelfHostedPrice",
    "chat_usage",
    "http_error",
    "mapped_http_errors",
    "price_of",
    "stop_reason",
]
