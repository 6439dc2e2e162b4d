// What lies over the image: the compass, and the bar that tells the scale.

import { angle } from "./format.js";

const STEPS = [1, 2, 5, 10, 20, 30];
const WIDEST_BAR_PX = 120;

/** Turn the arms of the compass; the angles count counter-clockwise from up. */
export function turnCompass(svg, sky) {
  svg.toggleAttribute("hidden", !sky);
  if (!sky) return;
  for (const name of ["north", "east"]) {
    const turned = (-sky[`${name}_deg`] * Math.PI) / 180;
    const [x, y] = [Math.sin(turned), -Math.cos(turned)];
    const line = svg.querySelector(`.${name} line`);
    line.setAttribute("x2", 22 * x);
    line.setAttribute("y2", 22 * y);
    const label = svg.querySelector(`.${name} text`);
    label.setAttribute("x", 31 * x);
    label.setAttribute("y", 31 * y);
  }
}

/** Set the bar to the longest round angle that it has room for. */
export function setBar(bar, degreesPerPixel) {
  bar.hidden = !degreesPerPixel;
  if (!degreesPerPixel) return;
  const most = WIDEST_BAR_PX * degreesPerPixel;
  const rounds = [1 / 3600e3, 1 / 360e3, 1 / 36e3, 1 / 3600, 1 / 60, 1].flatMap((unit) =>
    STEPS.map((step) => step * unit),
  );
  const length = Math.max(...rounds.filter((each) => each <= most), rounds[0]);
  bar.style.width = `${length / degreesPerPixel}px`;
  bar.textContent = angle(length);
}
