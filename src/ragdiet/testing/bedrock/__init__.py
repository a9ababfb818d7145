"""A stand-in for Amazon Bedrock that speaks its protocol over HTTP to the real boto3."""

from ragdiet.testing.bedrock.bill import Bill, BillRow, Charge, Rates
from ragdiet.testing.bedrock.faults import Fault
from ragdiet.testing.bedrock.guard.guardrail import Guardrail
from ragdiet.testing.bedrock.limits import Limit
from ragdiet.testing.bedrock.models.cohere import CohereV3, CohereV4
from ragdiet.testing.bedrock.models.extract import REFUSAL, extract
from ragdiet.testing.bedrock.models.model import ChatModel, RerankModel
from ragdiet.testing.bedrock.models.nova import NovaMultimodal
from ragdiet.testing.bedrock.models.titan import TitanText
from ragdiet.testing.bedrock.named_faults import FAULTS, faults_of
from ragdiet.testing.bedrock.served import Served
from ragdiet.testing.bedrock.server import KEYS, BedrockServer
from ragdiet.testing.bedrock.sigv4 import Keys
from ragdiet.testing.bedrock.tokens import Tokenizer

__all__ = [
    "FAULTS",
    "KEYS",
    "REFUSAL",
    "BedrockServer",
    "Bill",
    "BillRow",
    "Charge",
    "ChatModel",
    "CohereV3",
    "CohereV4",
    "Fault",
    "Guardrail",
    "Keys",
    "Limit",
    "NovaMultimodal",
    "Rates",
    "RerankModel",
    "Served",
    "TitanText",
    "Tokenizer",
    "extract",
    "faults_of",
]
