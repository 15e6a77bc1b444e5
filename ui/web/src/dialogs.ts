// Dialogs and menus. A dialog opens by a button with data-dialog and its id; a form with data-must-type can be sent
// once its input holds that text.
export function openDialogs() {
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element)) return;
    const opener = event.target.closest<HTMLElement>("[data-dialog]");
    const dialog = opener && document.getElementById(opener.dataset.dialog ?? "");
    if (dialog instanceof HTMLDialogElement) {
      opener?.closest("details")?.removeAttribute("open");
      dialog.showModal();
    }
    event.target.closest<HTMLElement>("[data-close]")?.closest("dialog")?.close();
    if (event.target instanceof HTMLDialogElement) event.target.close(); // the backdrop
    for (const menu of document.querySelectorAll<HTMLDetailsElement>("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = document.querySelector<HTMLDetailsElement>("details.menu[open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary")?.focus();
  });
  document.addEventListener("input", (event) => {
    const input = event.target;
    if (!(input instanceof HTMLInputElement) || input.dataset.mustType === undefined) return;
    const button = input.form?.querySelector<HTMLButtonElement>("button[type=submit]");
    if (button) button.disabled = input.value !== input.dataset.mustType;
  });
  for (const input of document.querySelectorAll<HTMLInputElement>("[data-must-type]")) {
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }
  // One press is one request.
  document.addEventListener("submit", (event) => {
    if (event.target instanceof HTMLFormElement) event.target.classList.add("busy");
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form.busy")) form.classList.remove("busy");
  });
  document.addEventListener(
    "submit",
    (event) => {
      const form = event.target;
      if (!(form instanceof HTMLFormElement)) return;
      if (form.classList.contains("busy") && form.method === "post") event.preventDefault();
    },
    { capture: true },
  );
}
