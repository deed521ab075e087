"use strict";
// Below the panes: in which slices each structure lies, and how much of it.
cmda.Profile = class {
  static ROW = 26;
  static GAP = 6;
  /** Half the slider's thumb: its ends lie that far within. */
  static INSET = 8;

  constructor(viewer, canvas, names) {
    this.viewer = viewer;
    this.canvas = canvas;
    const { structures } = viewer.content;
    canvas.hidden = viewer.content.overlays.length === 0;
    canvas.style.height = `${structures.length * (cmda.Profile.ROW + cmda.Profile.GAP)}px`;
    for (const structure of structures) {
      const name = document.createElement("button");
      name.type = "button";
      name.textContent = structure.name;
      name.title = `Go to the largest section of ${structure.name}`;
      name.addEventListener("click", () => viewer.goTo(structure));
      names.append(name);
    }
    const follow = (event) => {
      if (event.buttons === 1) viewer.go(this.#sliceAt(event.offsetX));
    };
    canvas.addEventListener("pointerdown", follow);
    canvas.addEventListener("pointermove", follow);
  }

  #x(slice) {
    const last = Math.max(1, this.viewer.content.size[2] - 1);
    return cmda.Profile.INSET + (slice / last) * (this.canvas.clientWidth - 2 * cmda.Profile.INSET);
  }

  #sliceAt(x) {
    const share = (x - cmda.Profile.INSET) / (this.canvas.clientWidth - 2 * cmda.Profile.INSET);
    return Math.round(share * (this.viewer.content.size[2] - 1));
  }

  draw() {
    const { canvas, viewer } = this;
    if (canvas.hidden) return;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(canvas.clientWidth * ratio);
    canvas.height = Math.round(canvas.clientHeight * ratio);
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const ink = getComputedStyle(canvas).color;
    viewer.content.structures.forEach((structure, row) => {
      const bottom = (row + 1) * (cmda.Profile.ROW + cmda.Profile.GAP) - cmda.Profile.GAP / 2;
      context.strokeStyle = ink;
      context.globalAlpha = 0.2;
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(cmda.Profile.INSET, bottom + 0.5);
      context.lineTo(canvas.clientWidth - cmda.Profile.INSET, bottom + 0.5);
      context.stroke();
      context.globalAlpha = 1;
      this.#drawRow(context, structure, bottom);
    });
    context.fillStyle = ink;
    context.fillRect(this.#x(viewer.slice) - 0.75, 0, 1.5, canvas.clientHeight);
  }

  #drawRow(context, structure, bottom) {
    const { viewer } = this;
    const areas = viewer.content.overlays.map((_, number) => viewer.areas(number, structure.label));
    const most = Math.max(1, ...areas.flat());
    viewer.content.overlays.forEach((overlay, number) => {
      if (!viewer.visible[number] || !areas[number].some(Boolean)) return;
      const path = this.#path(areas[number], most, bottom);
      context.strokeStyle = context.fillStyle = overlay.colour;
      if (overlay.reference) {
        context.globalAlpha = 0.3;
        context.fill(path);
        context.globalAlpha = 1;
      }
      context.lineWidth = 1.4;
      context.lineJoin = "round";
      context.stroke(path);
    });
  }

  /** The areas as a line over the slices where there is anything. */
  #path(areas, most, bottom) {
    const path = new Path2D();
    let drawing = false;
    areas.forEach((area, slice) => {
      const near = area || areas[slice - 1] || areas[slice + 1];
      const place = [this.#x(slice), bottom - (area / most) * (cmda.Profile.ROW - 2)];
      if (near) path[drawing ? "lineTo" : "moveTo"](...place);
      drawing = Boolean(near);
    });
    return path;
  }
};
