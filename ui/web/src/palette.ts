// Ctrl-K: jump to a project, a deployment or a page by a few of its letters.
type Place = { name: string; kind: string; href: string };

export function palette() {
  const dialog = document.querySelector<HTMLDialogElement>("#palette");
  const input = dialog?.querySelector("input");
  const list = dialog?.querySelector("ul");
  if (!dialog || !input || !list) return;
  let places: Place[] = [];
  let found: Place[] = [];
  let chosen = 0;

  const open = async () => {
    if (dialog.open) return;
    document.querySelectorAll("dialog[open]").forEach((d) => (d as HTMLDialogElement).close());
    input.value = "";
    dialog.showModal();
    show();
    try {
      const answer = await fetch("/places", { headers: { Accept: "application/json" } });
      if (answer.ok) places = [...here(), ...((await answer.json()) as Place[])];
    } catch {
      places = here(); // without a server there are still this page's tabs
    }
    show();
  };
  const go = () => {
    const place = found[chosen];
    if (place) location.assign(place.href);
  };
  const show = () => {
    const words = input.value.trim().toLowerCase();
    found = rank(places, words).slice(0, 30);
    chosen = 0;
    list.replaceChildren(
      ...found.map((place, at) => {
        const item = document.createElement("li");
        item.id = `place-${at}`;
        item.role = "option";
        const name = document.createElement("b");
        name.textContent = place.name;
        const kind = document.createElement("span");
        kind.textContent = place.kind;
        item.append(name, kind);
        item.addEventListener("click", () => {
          chosen = at;
          go();
        });
        return item;
      }),
    );
    const none = dialog.querySelector<HTMLElement>(".none");
    if (none) none.hidden = found.length > 0;
    mark();
  };
  const mark = () => {
    [...list.children].forEach((item, at) => item.setAttribute("aria-selected", String(at === chosen)));
    const item = list.children[chosen];
    item?.scrollIntoView({ block: "nearest" });
    if (item) input.setAttribute("aria-activedescendant", item.id);
    else input.removeAttribute("aria-activedescendant");
  };

  input.addEventListener("input", show);
  input.addEventListener("keydown", (event) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step && found.length) {
      chosen = (chosen + step + found.length) % found.length;
      mark();
    } else if (event.key === "Enter") go();
    else return;
    event.preventDefault();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey) {
      event.preventDefault();
      void open();
    }
  });
  document.addEventListener("click", (event) => {
    if (event.target instanceof Element && event.target.closest("[data-palette]")) void open();
  });
}

/** The tabs of this page come first: they are what is nearest. */
function here(): Place[] {
  const about = document.querySelector("[data-about]")?.getAttribute("data-about") ?? "this page";
  return [...document.querySelectorAll<HTMLAnchorElement>(".tabs a")].map((a) => ({
    name: a.textContent?.trim() ?? "", kind: about, href: a.getAttribute("href") ?? "/",
  }));
}

/** Orders places by how well they fit: letters in a row and at the beginning of words count most. */
export function rank(places: Place[], words: string): Place[] {
  if (!words) return places;
  return places
    .map((place) => ({ place, score: Math.max(fit(place.name, words), fit(`${place.kind} ${place.name}`, words) - 1) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score)
    .map(({ place }) => place);
}

function fit(text: string, words: string): number {
  const lower = text.toLowerCase();
  let score = 1;
  let at = -1;
  for (const letter of words) {
    if (letter === " ") continue;
    const next = lower.indexOf(letter, at + 1);
    if (next < 0) return 0;
    if (next === at + 1) score += 3;
    if (next === 0 || /[^a-z0-9]/.test(lower[next - 1] ?? "")) score += 2;
    at = next;
  }
  return lower.startsWith(words) ? score + 10 : score - lower.length / 100;
}
