// Colours of terminals (ECMA-48, 8.3.117 SGR). Everything else that a program sends to a terminal is left out.
export type Span = { text: string; classes: string[]; colour?: string };

// eslint-disable-next-line no-control-regex
const escape = /\x1b(?:\[([0-9;:]*)([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])/g;
const control = /[\x00-\x08\x0b-\x1f\x7f]/g;

export function spans(line: string): Span[] {
  const found: Span[] = [];
  let style: Omit<Span, "text"> = { classes: [] };
  let at = 0;
  const push = (text: string) => {
    const clean = text.replace(control, "");
    if (clean) found.push({ text: clean, ...style });
  };
  for (const match of line.matchAll(escape)) {
    push(line.slice(at, match.index));
    at = match.index + match[0].length;
    if (match[2] === "m") style = apply(style, match[1] ?? "");
  }
  push(line.slice(at));
  return found;
}

function apply(style: Omit<Span, "text">, parameters: string): Omit<Span, "text"> {
  let classes = [...style.classes];
  let colour = style.colour;
  const drop = (pattern: RegExp) => (classes = classes.filter((c) => !pattern.test(c)));
  const foreground = (c?: string) => {
    drop(/^c\d+$/);
    colour = undefined;
    if (c) classes.push(c);
  };
  const codes = parameters.split(/[;:]/).map(Number);
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] ?? 0;
    if (code === 0) {
      classes = [];
      colour = undefined;
    } else if (code === 1) classes.push("a-bold");
    else if (code === 2) classes.push("a-dim");
    else if (code === 3) classes.push("a-italic");
    else if (code === 4) classes.push("a-underline");
    else if (code === 22) drop(/^a-(bold|dim)$/);
    else if (code === 23) drop(/^a-italic$/);
    else if (code === 24) drop(/^a-underline$/);
    else if (code >= 30 && code <= 37) foreground(`c${code - 30}`);
    else if (code >= 90 && code <= 97) foreground(`c${code - 82}`);
    else if (code === 39) foreground();
    else if (code === 38 && codes[i + 1] === 5) {
      const n = codes[(i += 2)] ?? 0;
      foreground(n < 16 ? `c${n}` : undefined);
      if (n >= 16) colour = indexed(n);
    } else if (code === 38 && codes[i + 1] === 2) {
      const [r = 0, g = 0, b = 0] = codes.slice(i + 2, i + 5);
      i += 4;
      foreground();
      colour = readable(r, g, b);
    } else if (code === 48) i += codes[i + 1] === 5 ? 2 : 4; // grounds are ours: text stays readable
  }
  return { classes, colour };
}

function indexed(n: number): string {
  if (n >= 232) return readable(...(Array(3).fill(8 + (n - 232) * 10) as [number, number, number]));
  const level = (v: number) => (v ? 55 + v * 40 : 0);
  return readable(level(Math.floor((n - 16) / 36)), level(Math.floor((n - 16) / 6) % 6), level((n - 16) % 6));
}

/** Lightens what would not be seen on the log's dark ground. */
function readable(r: number, g: number, b: number): string {
  const luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  const lift = luminance < 120 ? (120 - luminance) / 255 : 0;
  const up = (v: number) => Math.min(255, Math.round(v + (255 - v) * lift));
  return `rgb(${up(r)} ${up(g)} ${up(b)})`;
}
