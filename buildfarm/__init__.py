"""buildfarm turns (recipe, target) into a repaired, verified, tested wheel on your own index, exactly once, and can
say why.
"""

__version__ = "0.1.0"
