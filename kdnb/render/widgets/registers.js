// Registers of one stop: groups as tabs, changed values marked. Text only, never markup from the target.
function render({ model, el }) {
  el.classList.add("kdnb-view", "kdnb-registers");
  const bar = document.createElement("div");
  bar.className = "bar";
  const grid = document.createElement("div");
  grid.className = "grid";
  const head = document.createElement("div");
  head.style.whiteSpace = "pre";
  head.textContent = model.get("head");
  const foot = document.createElement("div");
  foot.style.whiteSpace = "pre";
  el.append(head, bar, grid, foot);

  const groups = model.get("groups");
  let current = model.get("first") in groups ? model.get("first") : Object.keys(groups)[0];

  function draw() {
    bar.replaceChildren(
      ...Object.keys(groups).map((name) => {
        const button = document.createElement("button");
        button.textContent = name;
        button.className = name === current ? "on" : "";
        button.onclick = () => { current = name; draw(); };
        return button;
      }),
    );
    const width = Math.max(5, ...(groups[current] || []).map(([name]) => name.length));
    grid.style.gridTemplateColumns = `repeat(auto-fill, minmax(${(width + 18) * 8 + 20}px, 1fr))`;
    grid.replaceChildren(
      ...(groups[current] || []).map(([name, value, changed, before]) => {
        const cell = document.createElement("div");
        const label = document.createElement("span");
        label.className = "dim";
        label.textContent = name.padStart(width) + " ";
        label.style.whiteSpace = "pre";
        const number = document.createElement("span");
        number.textContent = value;
        if (changed) number.className = "changed";
        if (before) cell.title = before;
        cell.append(label, number);
        return cell;
      }),
    );
    foot.textContent = model.get("foot");
  }
  draw();
}
export default { render };
