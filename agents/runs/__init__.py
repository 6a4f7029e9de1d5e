"""Runs on disk and on screen: checkpoints, tables, progress, plots, films, workers, studies."""
