// A hex view that fetches what is scrolled into sight, in blocks, and keeps what it has.
const LINE = 18;
const BLOCK = 64; // lines of one request: 1 KiB for `db`

function render({ model, el }) {
  el.classList.add("kdnb-view", "kdnb-memory");
  const lines = model.get("lines");
  const note = document.createElement("div");
  note.className = "bar";
  note.textContent = model.get("title");
  const scroll = document.createElement("div");
  scroll.className = lines * LINE < 320 ? "scroll short" : "scroll";
  const spacer = document.createElement("div");
  spacer.className = "spacer";
  spacer.style.height = `${lines * LINE}px`;
  scroll.append(spacer);
  el.append(note, scroll);

  const blocks = new Map(); // number of the block -> its element
  const initial = model.get("initial");

  function place(number, text) {
    const pre = blocks.get(number);
    if (pre) pre.textContent = text;
  }

  function want(number) {
    if (blocks.has(number)) return;
    const pre = document.createElement("pre");
    pre.style.top = `${number * BLOCK * LINE}px`;
    pre.textContent = "…";
    scroll.append(pre);
    blocks.set(number, pre);
    if (initial[number] !== undefined) place(number, initial[number]);
    else model.send({ kind: "block", number });
  }

  function look() {
    const first = Math.floor(scroll.scrollTop / (BLOCK * LINE));
    const last = Math.floor((scroll.scrollTop + Math.max(scroll.clientHeight, 320)) / (BLOCK * LINE));
    for (let number = first; number <= last && number * BLOCK < lines; number++) want(number);
  }

  function answer(message) {
    if (message.kind === "block") place(message.number, message.text);
    if (message.kind === "note") note.textContent = message.text;
  }
  model.on("msg:custom", answer);
  scroll.addEventListener("scroll", look);
  look();
  return () => model.off("msg:custom", answer);
}
export default { render };
