// Numbers as people read them.

export function bytes(count) {
  let amount = count;
  for (const unit of ["B", "kB", "MB", "GB", "TB"]) {
    if (amount < 999.5) return `${Number(amount.toPrecision(3))} ${unit}`;
    amount /= 1000;
  }
  return `${Math.round(amount).toLocaleString("en")} PB`;
}

export function angle(degrees, digits = 3) {
  const count = (unitsPerDegree) => Number((degrees * unitsPerDegree).toPrecision(digits));
  if (count(1) >= 1) return `${count(1)}°`;
  if (count(60) >= 1) return `${count(60)}′`;
  return `${count(3600)}″`;
}

export function value(number) {
  if (number === null) return "no value";
  return String(Number(number.toPrecision(7)));
}

function sexagesimal(amount, decimals) {
  const unit = 10 ** decimals;
  let rest = Math.round(amount * 3600 * unit);
  const seconds = (rest % (60 * unit)) / unit;
  rest = Math.floor(rest / (60 * unit));
  const two = (number) => String(number).padStart(2, "0");
  const end = seconds.toFixed(decimals).padStart(decimals ? decimals + 3 : 2, "0");
  return `${two(Math.floor(rest / 60))}:${two(rest % 60)}:${end}`;
}

export function position({ ra_deg, dec_deg }) {
  const sign = dec_deg < 0 ? "−" : "+";
  const ra = sexagesimal(ra_deg / 15, 3).replace(/^24/, "00");
  return `${ra} ${sign}${sexagesimal(Math.abs(dec_deg), 2)}`;
}
