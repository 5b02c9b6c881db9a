"""Records of conversations: readers and writers of capture files, the live log, and the packet frame.

All of them end in one DataFrame; pandas is imported on use in `frames` only.
May import `transport`, `symbols` and lower.
"""
