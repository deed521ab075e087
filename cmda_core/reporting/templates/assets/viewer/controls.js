"use strict";
// The controls beside the panes. They show the viewer's state and change it; they keep none.
cmda.Controls = class {
  constructor(viewer) {
    this.viewer = viewer;
    this.#connectLayouts();
    this.#connectSeeds();
    this.#connectSliders();
    this.#fillOverlays();
    this.slider = this.#connectSlice();
  }

  #connectLayouts() {
    this.layouts = [...document.querySelectorAll("[data-layout]")];
    for (const button of this.layouts) {
      button.hidden = !this.viewer.layouts.includes(button.dataset.layout);
      button.addEventListener("click", () => this.viewer.arrange(button.dataset.layout));
    }
  }

  #connectSeeds() {
    const { seeds } = this.viewer.content;
    const select = document.getElementById("seed");
    select.closest("label").hidden = seeds.length < 2;
    for (const seed of seeds) select.add(new Option(seed, seed));
    select.addEventListener("change", () => this.viewer.chooseSeed(Number(select.value)));
    this.seed = select;
  }

  #connectSliders() {
    const bind = (name, read) => {
      const input = document.getElementById(name);
      input.addEventListener("input", () => {
        this.viewer[name] = read(input);
        this.viewer.draw();
        this.viewer.keep();
      });
      return input;
    };
    this.inputs = {
      opacity: bind("opacity", (input) => Number(input.value)),
      brightness: bind("brightness", (input) => Number(input.value)),
      contrast: bind("contrast", (input) => Number(input.value)),
      fill: bind("fill", (input) => input.checked),
      edges: bind("edges", (input) => input.checked),
    };
    document.getElementById("near").addEventListener("click", () => this.viewer.toggleNear());
    document.getElementById("reset").addEventListener("click", () => this.viewer.reset());
    document.getElementById("save").addEventListener("click", () => this.viewer.save());
  }

  #connectSlice() {
    const slider = document.getElementById("slice");
    slider.max = this.viewer.content.size[2] - 1;
    slider.addEventListener("input", () => this.viewer.go(Number(slider.value)));
    return slider;
  }

  /** A row per segmentation: whether it is shown, its colour, name and Dice. */
  #fillOverlays() {
    const { overlays, structures } = this.viewer.content;
    const table = document.getElementById("overlays");
    table.hidden = overlays.length === 0;
    const scored = this.viewer.content.dice.length > 0;
    const head = table.tHead.rows[0];
    if (scored) for (const { name } of structures) head.append(cell("th", name));
    this.rows = overlays.map((overlay, number) => {
      const row = table.tBodies[0].insertRow();
      const box = document.createElement("input");
      box.type = "checkbox";
      box.addEventListener("change", () => this.viewer.toggle(number));
      const swatch = document.createElement("span");
      swatch.className = "swatch";
      swatch.style.setProperty("--c", overlay.colour);
      const key = document.createElement("kbd");
      key.textContent = number < 9 ? number + 1 : "";
      const label = document.createElement("label");
      const name = document.createElement("span");
      name.textContent = overlay.name;
      label.append(box, swatch, name);
      label.title = overlay.name;
      row.append(cell("td", label), cell("td", key));
      const scores = scored ? structures.map(() => row.insertCell()) : [];
      return { box, scores };
    });

    function cell(kind, content) {
      const made = document.createElement(kind);
      made.append(content);
      return made;
    }
  }

  draw() {
    const { viewer } = this;
    for (const button of this.layouts) {
      button.setAttribute("aria-pressed", button.dataset.layout === viewer.layout);
    }
    this.seed.value = viewer.seed;
    for (const name of ["opacity", "brightness", "contrast"]) this.inputs[name].value = viewer[name];
    for (const name of ["fill", "edges"]) this.inputs[name].checked = viewer[name];
    document.getElementById("near").setAttribute("aria-pressed", viewer.near !== null);
    this.rows.forEach(({ box, scores }, number) => {
      box.checked = viewer.visible[number];
      scores.forEach((cell, which) => (cell.textContent = viewer.dice(number, which)));
    });
    this.slider.value = viewer.slice;
    document.getElementById("slice-number").textContent = `${viewer.slice + 1} / ${viewer.content.size[2]}`;
  }

  /** What lies under the pointer. */
  drawCursor() {
    document.getElementById("cursor").textContent = this.viewer.words;
  }
};
