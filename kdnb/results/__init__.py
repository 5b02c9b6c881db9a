"""The values people get: frozen dataclasses with `to_dict()`, and `df` where they are tables.

They know no target and no layout of text; `kdnb.render` fills the one presenter declared here.
May import `protocol` and `errors`.
"""
