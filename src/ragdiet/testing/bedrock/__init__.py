"""A stand-in for Amazon Bedrock that speaks its protocol over HTTP to the real boto3."""

from ragdiet.testing.bedrock.bill import Bill, BillRow, Charge, Rates
from ragdiet.testing.bedrock.faults import Fault
from ragdiet.testing.bedrock.models.extract import REFUSAL, extract
from ragdiet.testing.bedrock.models.model import ChatModel
from ragdiet.testing.bedrock.models.titan import TitanText
from ragdiet.testing.bedrock.served import Served
from ragdiet.testing.bedrock.server import KEYS, BedrockServer
from ragdiet.testing.bedrock.sigv4 import Keys
from ragdiet.testing.bedrock.tokens import Tokenizer

__all__ = [
    "KEYS",
    "REFUSAL",
    "BedrockServer",
    "Bill",
    "BillRow",
    "Charge",
    "ChatModel",
    "Fault",
    "Keys",
    "Rates",
    "Served",
    "TitanText",
    "Tokenizer",
    "extract",
]
