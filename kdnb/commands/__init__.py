"""What a user types: declared commands, each a function that returns a value from `results`.

Formats nothing: showing a value is the business of `render`.
May import `render` and lower.
"""
