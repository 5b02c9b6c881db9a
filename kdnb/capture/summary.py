"""The summary of a capture as text: what `kdnb decode` prints without an output file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kdnb.capture.open import Capture

__all__ = ["summarise"]


def summarise(capture: Capture) -> str:
    """Packets by type and API, what is damaged, and the time that decoding a frame took."""
    records = capture.records
    counts = capture.counts()
    width = max([len(str(name)) + 2 for name in counts["api"].dropna()] + [len(name) for name in counts["type"]] + [20])
    lines = [_heading(capture), "", f"{'':{width}} {'to target':>10} {'to host':>10}"]
    for kind, group in counts.groupby("type", sort=False):
        totals = group[["to_target", "to_host"]].sum()
        lines.append(f"{kind:{width}} {totals['to_target']:>10} {totals['to_host']:>10}")
        lines += [
            f"{'  ' + row.api:{width}} {row.to_target:>10} {row.to_host:>10}"
            for row in group.itertuples()
            if isinstance(row.api, str)
        ]
    frame = capture.packets()
    facts = {
        "invalid": sum(not record.valid for record in records),
        "undecoded": len(capture.fields.undecoded),
        "junk bytes": capture.junk,
        "resends": int(frame["resend"].sum()),
        "repaired": sum(record.repaired for record in records),
    }
    lines += ["", ", ".join(f"{name} {value}" for name, value in facts.items())]
    latency = frame["latency"].dropna()
    if len(latency):
        low, middle, high = (latency.astype("int64") / 1e6).quantile([0.0, 0.5, 1.0])
        lines.append(f"{len(latency)} replies, latency {low:.3f} / {middle:.3f} / {high:.3f} ms (least, median, most)")
    frames = capture.frames or len(records)
    unit = "frame" if capture.frames else "packet"
    lines.append(f"decoded in {capture.seconds * 1e3:.1f} ms, {capture.seconds * 1e6 / frames:.1f} us per {unit}")
    return "\n".join(lines + [f"problem: {problem}" for problem in capture.problems])


def _heading(capture: Capture) -> str:
    records = capture.records
    times = [record.time for record in records if record.time is not None]
    span = f", {(max(times) - min(times)) / 1e9:.2f} s" if times else ""
    source = f" in {capture.frames} frames" if capture.frames else ""
    transports = "/".join(sorted({"KDNET" if record.transport != "serial" else "serial" for record in records}))
    machine = capture.machine.name if capture.machine else "unknown machine"
    return f"{capture.name}: {len(records)} packets{source}{span}, {transports}, {machine}"
