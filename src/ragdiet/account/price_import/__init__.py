from ragdiet.account.price_import.aws import aws_prices
from ragdiet.account.price_import.imported import Change, Difference, Imported, differences
from ragdiet.account.price_import.litellm import litellm_prices

__all__ = ["Change", "Difference", "Imported", "aws_prices", "differences", "litellm_prices"]
