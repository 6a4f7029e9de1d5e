"""Policies that do as somebody did."""
