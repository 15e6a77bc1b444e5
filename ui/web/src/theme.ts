// The theme is a cookie, so that the server's first byte has it already.
const next: Record<string, string> = { "": "dark", dark: "light", light: "" };

export function chooseTheme() {
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element && event.target.closest<HTMLElement>("[data-theme-switch]");
    if (!button) return;
    const root = document.documentElement;
    const theme = next[root.dataset.theme ?? ""] ?? "";
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
    document.cookie = `theme=${theme}; path=/; max-age=${theme ? 31536000 : 0}; samesite=lax; secure`;
    const said = `Theme: ${theme || "as the system"}`;
    button.querySelectorAll(".said-theme").forEach((e) => (e.textContent = said));
    button.title = said;
  });
}
