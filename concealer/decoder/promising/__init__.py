"""What damaged pictures, and those predicted from them, are held to be worth."""

from concealer.decoder.promising.aftermath import Aftermath
from concealer.decoder.promising.model import FIGURES, Model, Values
from concealer.decoder.promising.promises import Promises

__all__ = ["FIGURES", "Aftermath", "Model", "Promises", "Values"]
