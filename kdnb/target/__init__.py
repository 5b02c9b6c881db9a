"""Who answers: one small interface, and what stands behind it (a live link, a capture, a dump).

The engine asks a target for its capabilities before it calls.
May import `capture` and lower; never `simulator`.
"""
