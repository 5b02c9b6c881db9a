// A stack trace whose frames open: registers as far as known, and the code around the call.
function render({ model, el }) {
  el.classList.add("kdnb-view", "kdnb-stack");
  const head = document.createElement("div");
  head.className = "dim";
  head.style.whiteSpace = "pre";
  head.textContent = model.get("head");
  el.append(head);
  const open = new Map();

  model.get("frames").forEach(([text, details], number) => {
    const row = document.createElement("div");
    row.className = "frame";
    row.textContent = text;
    row.onclick = () => {
      if (open.has(number)) {
        open.get(number).remove();
        open.delete(number);
        return;
      }
      const box = document.createElement("div");
      box.className = "details";
      box.textContent = details;
      row.after(box);
      open.set(number, box);
      model.send({ kind: "open", number });
    };
    el.append(row);
  });
  const note = document.createElement("div");
  note.className = "dim";
  note.textContent = model.get("note");
  el.append(note);

  function answer(message) {
    const box = message.kind === "details" && open.get(message.number);
    if (box) box.textContent += "\n" + message.text;
  }
  model.on("msg:custom", answer);
  return () => model.off("msg:custom", answer);
}
export default { render };
