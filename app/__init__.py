"""The service: settings put to use, processes started, the transport under Faust, the command's verbs.

The top of the house: it may import everything below and nothing imports it.
"""
