"""The training files this project ships, found through `importlib.resources`."""
