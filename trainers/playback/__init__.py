"""Trained policies in use: evaluation, videos, the gallery, kept policies, benchmarks.

Training does not belong here.
"""
