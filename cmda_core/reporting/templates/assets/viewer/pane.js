"use strict";
// One pane: an image with the segmentations over it. All panes share slice, zoom and place.
cmda.Pane = class {
  constructor(viewer, shown) {
    this.viewer = viewer;
    this.image = shown.image;
    /** "all", "none", or the number of an overlay, which is shown with the reference. */
    this.overlays = shown.overlays;
    this.element = document.getElementById("pane").content.firstElementChild.cloneNode(true);
    this.stage = this.element.querySelector(".stage");
    [this.picture, this.marks] = this.element.querySelectorAll("canvas");
    this.message = this.element.querySelector(".message");
    this.#fillSelects();
  }

  #fillSelects() {
    const { images, overlays } = this.viewer.content;
    const [image, marks] = this.element.querySelectorAll("select");
    images.forEach((one, number) => image.add(new Option(one.name, number)));
    image.addEventListener("change", () => {
      this.image = Number(image.value);
      this.viewer.draw();
    });
    marks.add(new Option("all segmentations", "all"));
    overlays.forEach((one, number) => {
      const paired = !one.reference && overlays.some((other) => other.reference);
      marks.add(new Option(paired ? `${one.name} + reference` : one.name, number));
    });
    marks.add(new Option("image alone", "none"));
    marks.hidden = overlays.length === 0;
    marks.addEventListener("change", () => {
      this.overlays = ["all", "none"].includes(marks.value) ? marks.value : Number(marks.value);
      this.viewer.draw();
    });
    this.selects = [image, marks];
  }

  /** The overlays that the pane shows, as numbers. */
  get shown() {
    const { overlays } = this.viewer.content;
    return [...overlays.keys()].filter(
      (number) =>
        this.viewer.visible[number] &&
        (this.overlays === "all" || this.overlays === number || (overlays[number].reference && this.overlays !== "none")),
    );
  }

  /** Where the slice lies in the pane: upper left corner and pixels per mm. */
  get placement() {
    const { size, spacing } = this.viewer.content;
    const [width, height] = [size[0] * spacing[0], size[1] * spacing[1]];
    const [across, down] = [this.stage.clientWidth, this.stage.clientHeight];
    const scale = Math.min(across / width, down / height) * this.viewer.zoom;
    const [x, y] = this.viewer.centre ?? [width / 2, height / 2];
    return { left: across / 2 - x * scale, top: down / 2 - y * scale, scale };
  }

  /** Place of a pointer in mm from the slice's upper left corner. */
  place(event) {
    const box = this.stage.getBoundingClientRect();
    const { left, top, scale } = this.placement;
    return [(event.clientX - box.left - left) / scale, (event.clientY - box.top - top) / scale];
  }

  /** Say what is shown. The panes beside this one may become smaller by it, so all are named before one is drawn. */
  name() {
    [this.selects[0].value, this.selects[1].value] = [this.image, this.overlays];
    for (const select of this.selects) select.title = select.selectedOptions[0]?.text ?? "";
  }

  draw() {
    const stack = this.viewer.stacks[this.image];
    const picture = stack.slice(this.viewer.slice);
    this.message.textContent = stack.failed ? "This image is missing beside the page." : "";
    this.message.hidden = !stack.failed;
    this.element.classList.toggle("waiting", !picture && !stack.failed);
    // Until a slice is decoded the one before stays, so that nothing flickers.
    if (picture) this.#drawPicture(picture);
    this.drawMarks();
  }

  #drawPicture(picture) {
    const context = this.#cleared(this.picture);
    const { size, spacing } = this.viewer.content;
    const { left, top, scale } = this.placement;
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, left, top, size[0] * spacing[0] * scale, size[1] * spacing[1] * scale);
    this.picture.style.filter = this.viewer.filter;
  }

  drawMarks() {
    const context = this.#cleared(this.marks);
    const { size, spacing } = this.viewer.content;
    const { left, top, scale } = this.placement;
    const place = new DOMMatrix([scale * spacing[0], 0, 0, scale * spacing[1], left, top]);
    for (const number of this.shown) {
      const drawn = this.viewer.marks(number);
      if (!drawn) continue;
      if (this.viewer.fill) {
        context.globalAlpha = this.viewer.opacity;
        context.imageSmoothingEnabled = false;
        context.drawImage(drawn.fill, left, top, size[0] * spacing[0] * scale, size[1] * spacing[1] * scale);
        context.globalAlpha = 1;
      }
      if (this.viewer.edges) {
        const path = new Path2D();
        path.addPath(drawn.outline, place);
        context.lineCap = "round";
        context.lineWidth = this.viewer.content.overlays[number].reference ? 2.4 : 1.6;
        context.strokeStyle = this.viewer.content.overlays[number].colour;
        context.stroke(path);
      }
    }
    this.#drawScale(context, scale);
    this.#drawCursor(context, left, top, scale);
  }

  #drawScale(context, scale) {
    const length = [100, 50, 20, 10, 5, 2, 1].find((mm) => mm * scale < this.stage.clientWidth / 4) ?? 1;
    const [right, bottom] = [this.stage.clientWidth - 14, this.stage.clientHeight - 14];
    context.fillStyle = context.strokeStyle = "#e8eaed";
    // Readable on white too.
    [context.shadowColor, context.shadowBlur] = ["#000", 4];
    context.lineWidth = 1.5;
    context.lineCap = "butt";
    context.beginPath();
    context.moveTo(right - length * scale, bottom - 4);
    context.lineTo(right - length * scale, bottom);
    context.lineTo(right, bottom);
    context.lineTo(right, bottom - 4);
    context.stroke();
    context.font = "11px system-ui, sans-serif";
    context.textAlign = "right";
    context.fillText(`${length} mm`, right, bottom - 8);
    context.shadowBlur = 0;
  }

  /** The same place in the other panes. */
  #drawCursor(context, left, top, scale) {
    const { cursor } = this.viewer;
    if (!cursor || cursor.pane === this) return;
    const [x, y] = [left + cursor.place[0] * scale, top + cursor.place[1] * scale];
    context.strokeStyle = "rgb(255 255 255 / .75)";
    context.lineWidth = 1;
    context.beginPath();
    for (const [across, down] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + 5 * across, y + 5 * down);
      context.lineTo(x + 14 * across, y + 14 * down);
    }
    context.stroke();
  }

  /** A canvas as large as the pane, in the screen's own pixels. */
  #cleared(canvas) {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [this.stage.clientWidth * ratio, this.stage.clientHeight * ratio].map(Math.round);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    return context;
  }
};
