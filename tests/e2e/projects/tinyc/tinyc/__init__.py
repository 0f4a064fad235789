from tinyc._answer import answer

__all__ = ["answer"]
