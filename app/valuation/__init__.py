"""Adjusted prices: exchange rates, valuation rules and revaluation."""
