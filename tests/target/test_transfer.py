"""How large a request is: the target's limit on a good line, less on a bad one."""

from __future__ import annotations

from kdnb.target.transfer import SMALLEST, TransferSize


def test_it_begins_with_the_limit_and_keeps_to_what_the_target_gives():
    sizes = TransferSize(3944)
    assert sizes.size == 3944
    sizes.trimmed(0x448)
    assert (sizes.size, sizes.limit) == (0x448, 0x448)


def test_one_disturbed_request_says_nothing_two_in_a_row_halve_it():
    sizes = TransferSize(4000)
    sizes.went(4000, well=False)
    sizes.went(4000, well=True)
    sizes.went(4000, well=False)
    assert sizes.size == 4000
    sizes.went(4000, well=False)
    assert sizes.size == 2000


def test_it_grows_back_after_a_row_of_good_ones_of_its_size():
    sizes = TransferSize(4000)
    assert sizes.failed(4000) == 1000
    for _ in range(20):
        sizes.went(10, well=True)  # so small a one proves nothing
    assert sizes.size == 1000
    for _ in range(8):
        sizes.went(sizes.size, well=True)
    assert sizes.size == 4000


def test_it_never_falls_below_what_is_worth_a_packet():
    sizes = TransferSize(4000)
    for _ in range(50):
        sizes.failed(sizes.size)
    assert sizes.size == SMALLEST
