"""The commands of ``strata``, a module for each group of them."""
