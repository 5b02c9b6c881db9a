from kdnb.results.addresses import format_address


def test_a_64_bit_address_carries_the_accent() -> None:
    assert format_address(0xFFFFF80359A00000) == "fffff803`59a00000"


def test_a_sign_extended_32_bit_address_shows_eight_digits() -> None:
    assert format_address(0xFFFFFFFF80500000, 4) == "80500000"
