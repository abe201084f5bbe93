"""All of pyproject.toml's project, and its packages: those that are found, and the folder data as segedu._data."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["segedu", "segedu.*"]), "segedu._data"])
