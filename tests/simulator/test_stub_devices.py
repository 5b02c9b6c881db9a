"""Ports and the toy PCI bus, on the real machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kdnb.protocol.constants import Api, Status
from kdnb.protocol.messages.io import BusDataBody, IoBody, IoExtendedBody

if TYPE_CHECKING:
    from kdnb.simulator.scripted_host import ScriptedHost

PCI = 4
POST_PORT = 0x80


def test_a_port_reads_back_what_was_written(stopped: ScriptedHost) -> None:
    assert stopped.request(Api.WriteIoSpace, IoBody(POST_PORT, 1, 0x5A)).status == Status.SUCCESS
    reply = stopped.request(Api.ReadIoSpace, IoBody(POST_PORT, 1))
    assert (reply.status, reply.body.value) == (Status.SUCCESS, 0x5A)


def test_a_port_that_nothing_answers_reads_ones(stopped: ScriptedHost) -> None:
    assert stopped.request(Api.ReadIoSpace, IoBody(0x3F00, 2)).body.value == 0xFFFF


@pytest.mark.parametrize(
    ("body", "status"),
    [(IoBody(POST_PORT, 3), Status.INVALID_PARAMETER), (IoBody(POST_PORT + 1, 4), Status.DATATYPE_MISALIGNMENT)],
)
@pytest.mark.parametrize("api", [Api.ReadIoSpace, Api.WriteIoSpace])
def test_odd_sizes_and_addresses_are_refused(stopped: ScriptedHost, api: Api, body: IoBody, status: Status) -> None:
    assert stopped.request(api, body).status == status


def test_the_extended_form_reaches_the_same_ports(stopped: ScriptedHost) -> None:
    body = IoExtendedBody(1, 1, 0, 1, POST_PORT, 0x77)
    assert stopped.request(Api.WriteIoSpaceExtended, body).status == Status.SUCCESS
    assert stopped.request(Api.ReadIoSpaceExtended, IoExtendedBody(1, 1, 0, 1, POST_PORT)).body.value == 0x77
    memory = IoExtendedBody(1, 1, 0, 0, POST_PORT)
    assert stopped.request(Api.ReadIoSpaceExtended, memory).status == Status.INVALID_PARAMETER


def test_pci_configuration_shows_devices_and_empty_slots(stopped: ScriptedHost) -> None:
    bridge = stopped.request(Api.GetBusData, BusDataBody(PCI, 0, 0, 0, 16))
    assert (bridge.status, bridge.body.length) == (Status.SUCCESS, 16)
    assert bridge.data[:4] == bytes.fromhex("86803712")
    assert stopped.request(Api.GetBusData, BusDataBody(PCI, 0, 31, 0, 16)).data == b"\xff\xff"
    assert stopped.request(Api.GetBusData, BusDataBody(PCI, 9, 0, 0, 16)).status == Status.UNSUCCESSFUL
    assert stopped.request(Api.GetBusData, BusDataBody(3, 0, 0, 0, 16)).status == Status.UNSUCCESSFUL


def test_pci_configuration_keeps_what_a_device_lets_one_write(stopped: ScriptedHost) -> None:
    assert stopped.request(Api.SetBusData, BusDataBody(PCI, 0, 3, 0x3C, 1), b"\x0b").status == Status.SUCCESS
    stopped.request(Api.SetBusData, BusDataBody(PCI, 0, 3, 0, 2), b"\0\0")
    device = stopped.request(Api.GetBusData, BusDataBody(PCI, 0, 3, 0, 0x40)).data
    assert device[0x3C] == 0x0B
    assert device[:4] == bytes.fromhex("86800e10")
