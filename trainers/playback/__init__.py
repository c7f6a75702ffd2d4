"""Trained policies in use: evaluation, matches, demonstrations, videos, the gallery, kept policies, benchmarks.

Training does not belong here.
"""
