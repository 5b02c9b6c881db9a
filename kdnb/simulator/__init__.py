"""A pretend machine: an emulated CPU running a small guest kernel, behind a real KD stub.

The stub runs the same link as the host, in the target role; any KD client can talk to it.
May import `capture` and lower; unicorn (extra `sim`) is imported on use.
"""
