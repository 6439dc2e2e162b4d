// The page of an image: puts the stage, the forms and the header together.

import { ask, file, inTurn, writeQuery } from "./gateway.js";
import { Cutout } from "./cutout.js";
import { HeaderTable } from "./header.js";
import { Stage } from "./stage.js";
import { position, value } from "./format.js";
import { setBar, turnCompass } from "./overlays.js";

const OVERVIEW_PX = 512; // the width of the sample that cuts are found from
const find = (selector) => document.querySelector(selector);
const display = find("#display").elements;

const cutout = new Cutout(find("#cutout"), find("#results"), file.box);
const header = new HeaderTable(find("#cards"), find("#search"), find("#count"));
const stage = find("#stage") && new Stage(find("#stage"), find("#box"));
let overview;

const hduOf = (index) => file.hdus[index];
const imageOf = (hdu) => ({ width: hdu.shape[0], height: hdu.shape[1] });

/** Keep in the address what is shown, so that it can be sent to others. */
function remember() {
  const { hdu, stretch, cuts, cmap } = display;
  const { center, size } = cutout.query ?? {};
  const state = { hdu: hdu.value, stretch: stretch.value, cmap: cmap.value, center, size };
  state.cuts = cuts.value || `${display.low.value},${display.high.value}`;
  history.replaceState(null, "", `#${writeQuery(state)}`);
}

function recall() {
  const state = new URLSearchParams(location.hash.slice(1));
  for (const name of ["hdu", "stretch", "cmap"]) {
    if (state.has(name)) display[name].value = state.get(name);
    if (display[name].selectedIndex < 0) display[name].selectedIndex = 0;
  }
  const given = state.get("cuts") ?? "99.5";
  const [low, high] = given.split(",");
  display.cuts.value = high === undefined ? given : "";
  if (high !== undefined) [display.low.value, display.high.value] = [low, high];
  const { center, size } = cutout.fields;
  center.value = state.get("center") ?? "";
  size.value = state.get("size") ?? "";
  cutout.fields.unit.value = center.value && !center.value.endsWith("px") ? "sky" : "pixels";
}

const askedCuts = () => {
  const { cuts, low, high } = display;
  return cuts.value || (low.value && high.value ? `${low.value},${high.value}` : "99.5");
};

/** Find the cuts, unless they are given, and draw. */
const drawWith = inTurn(async (asked) => {
  const { hdu, stretch, cmap, low, high } = display;
  if (!stage) return;
  const problem = find("#problem");
  if (!hduOf(hdu.value).is_image) {
    stage.clear();
    turnCompass(find("#compass"), undefined);
    problem.textContent = "This HDU has no image; its header is below.";
    remember();
    return;
  }
  try {
    const question = { format: "json", hdu: hdu.value, cuts: asked, width: OVERVIEW_PX };
    overview = (await ask(question)).picture;
    problem.textContent = "";
  } catch (error) {
    problem.textContent = error.message;
    return;
  }
  for (const [field, cut] of [[low, overview.low], [high, overview.high]]) {
    // what somebody is typing is not for us to change
    if (document.activeElement !== field) field.value = Number(cut.toPrecision(6));
  }
  const cuts = `${overview.low},${overview.high}`;
  const style = { hdu: hdu.value, stretch: stretch.value, cmap: cmap.value, cuts };
  stage.show(imageOf(hduOf(hdu.value)), style, file.box);
  turnCompass(find("#compass"), overview.sky);
  remember();
});
const draw = () => drawWith(askedCuts());

/** Tell the value and the place on the sky of a pixel. */
const look = inTurn(async ({ x, y }) => {
  const hdu = display.hdu.value;
  const { width, height } = imageOf(hduOf(hdu));
  if (x < 1 || y < 1 || x > width || y > height) return;
  try {
    const question = { format: "json", hdu, center: `${x},${y}px`, size: "0px" };
    const { picture } = await ask(question);
    const unit = picture.unit && picture.minimum !== null ? ` ${picture.unit}` : "";
    find("#pixel").textContent = `${x}, ${y}`;
    find("#value").textContent = value(picture.minimum) + unit;
    find("#sky").textContent = picture.sky ? position(picture.sky) : "";
    find("#degrees").textContent = picture.sky
      ? `${picture.sky.ra_deg.toFixed(6)}, ${picture.sky.dec_deg.toFixed(6)}`
      : "";
  } catch {
    // a pixel that cannot be read has no value; the next one may have
  }
});

const showHeader = inTurn(async (hdu) => {
  try {
    header.show((await ask({ view: "", hdu })).header);
  } catch (error) {
    find("#count").textContent = error.message;
  }
});

function setDrawing(on) {
  stage.isDrawing = on;
  find("#draw").setAttribute("aria-pressed", on);
  find("#stage").classList.toggle("drawing", on);
}

function choose() {
  const hdu = Number(display.hdu.value);
  cutout.setHdu(hduOf(hdu).is_image ? hdu : undefined);
  draw();
  showHeader(display.hdu.value);
}

recall();
display.hdu.addEventListener("change", choose);
for (const name of ["stretch", "cmap", "cuts"]) display[name].addEventListener("change", draw);
for (const name of ["low", "high"]) {
  display[name].addEventListener("change", () => {
    display.cuts.value = "";
    draw();
  });
}
find("#display").addEventListener("submit", (event) => event.preventDefault());
if (stage) {
  stage.addEventListener("point", ({ detail }) => look(detail));
  stage.addEventListener("view", () => {
    const { sky, width } = overview ?? {};
    setBar(find("#bar"), sky ? sky.width_deg / width / stage.scale : 0);
  });
  stage.addEventListener("open", () => stage.mark(marked));
  stage.addEventListener("box", ({ detail }) => {
    setDrawing(false);
    cutout.setBox(detail);
  });
  find("#draw").addEventListener("click", () => setDrawing(!stage.isDrawing));
  find("#closer").addEventListener("click", () => stage.zoom(1.6));
  find("#farther").addEventListener("click", () => stage.zoom(1 / 1.6));
  find("#fit").addEventListener("click", () => stage.fit());
  addEventListener("keydown", ({ key, target, ctrlKey, metaKey, altKey }) => {
    if (ctrlKey || metaKey || altKey || target.matches("input, select, textarea")) return;
    if (key === "b") setDrawing(!stage.isDrawing);
    if (key === "Escape") setDrawing(false);
  });
}
let marked;
cutout.addEventListener("box", ({ detail }) => {
  marked = detail;
  stage?.mark(detail);
  remember();
});
choose();
