// Questions to the gateway about the file that this page shows, and the words it speaks.

/** What the page was told of its file, and the key to its pictures, if a signed address opened it. */
export const file = JSON.parse(document.querySelector("#file").textContent);

/** Give the address of something that the page shows. */
export function addressOf(parameters) {
  return `?${writeQuery(parameters)}${file.ticket && `&${file.ticket}`}`;
}

/** Write a query as people read it: only what must be is percent-encoded. */
export function writeQuery(parameters) {
  const encode = (text) =>
    encodeURIComponent(text).replaceAll("%2C", ",").replaceAll("%20", "+").replaceAll("'", "%27");
  return Object.entries(parameters)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => (value === "" ? name : `${name}=${encode(value)}`))
    .join("&");
}

/** Ask for JSON; a refusal is an Error with the sentence that tells why. */
export async function ask(parameters, signal) {
  const headers = { Accept: "application/json" };
  const response = await fetch(addressOf(parameters), { headers, signal });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail);
  return answer;
}

/** Make a function that asks one question at a time, and of those that come meanwhile the last. */
export function inTurn(answer) {
  let busy = false;
  let next;
  return async function turn(...question) {
    next = question;
    if (busy) return;
    busy = true;
    while (next) {
      const now = next;
      next = undefined;
      await answer(...now);
    }
    busy = false;
  };
}

/** Write the centre and the size that select whole pixels; (x, y) is the first, counted from 1. */
export function writeBox({ x, y, width, height }, box) {
  // IRSA's rule takes every pixel that the area touches, both ends included
  const less = box === "ibe" ? 1 : 0;
  return {
    center: `${x + (width - 1) / 2},${y + (height - 1) / 2}px`,
    size: `${width - less},${height - less}px`,
  };
}
