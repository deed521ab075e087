"use strict";
// Marching squares: the line halfway between voxels of a label and their neighbours.
{
  const TOP = [0.5, 0];
  const RIGHT = [1, 0.5];
  const BOTTOM = [0.5, 1];
  const LEFT = [0, 0.5];
  // By which corners are inside: 1 upper left, 2 upper right, 4 lower right, 8 lower left.
  const SEGMENTS = [
    [],
    [[LEFT, TOP]],
    [[TOP, RIGHT]],
    [[LEFT, RIGHT]],
    [[RIGHT, BOTTOM]],
    [[LEFT, TOP], [RIGHT, BOTTOM]],
    [[TOP, BOTTOM]],
    [[LEFT, BOTTOM]],
    [[BOTTOM, LEFT]],
    [[TOP, BOTTOM]],
    [[TOP, RIGHT], [BOTTOM, LEFT]],
    [[RIGHT, BOTTOM]],
    [[LEFT, RIGHT]],
    [[TOP, RIGHT]],
    [[LEFT, TOP]],
    [],
  ];

  /** The outline of a label in a slice, as a path in voxels. */
  cmda.outline = (voxels, width, height, label) => {
    const path = new Path2D();
    const inside = (i, j) =>
      i >= 0 && j >= 0 && i < width && j < height && voxels[j * width + i] === label;
    for (const [i, j] of boundary(voxels, width, height, label)) {
      const corners = inside(i, j) + 2 * inside(i + 1, j) + 4 * inside(i + 1, j + 1) + 8 * inside(i, j + 1);
      for (const [from, to] of SEGMENTS[corners]) {
        path.moveTo(i + 0.5 + from[0], j + 0.5 + from[1]);
        path.lineTo(i + 0.5 + to[0], j + 0.5 + to[1]);
      }
    }
    return path;
  };

  /** The squares between voxel centres that the label touches; few, where the slice is large. */
  function* boundary(voxels, width, height, label) {
    let [left, right, top, bottom] = [width, -1, height, -1];
    for (let at = 0; at < voxels.length; at++) {
      if (voxels[at] !== label) continue;
      const i = at % width;
      const j = (at - i) / width;
      left = Math.min(left, i);
      right = Math.max(right, i);
      top = Math.min(top, j);
      bottom = Math.max(bottom, j);
    }
    for (let j = top - 1; j <= bottom; j++) {
      for (let i = left - 1; i <= right; i++) yield [i, j];
    }
  }
}
