"""Operations compiled into Python: `compiler` makes plans, `running` runs them."""
