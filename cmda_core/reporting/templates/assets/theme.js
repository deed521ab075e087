"use strict";
// In the head, before anything is drawn, so that a page never flashes in the other theme.
window.cmda = {
  /** A setting that lasts; some browsers refuse that to pages from the disk. */
  recall(name) {
    try {
      return localStorage.getItem(`cmda.${name}`);
    } catch {
      return null;
    }
  },
  remember(name, value) {
    try {
      localStorage.setItem(`cmda.${name}`, value);
    } catch {
      // Then it lasts as long as the page.
    }
  },
  dark() {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  },
  toggleTheme() {
    const theme = cmda.dark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    cmda.remember("theme", theme);
    document.dispatchEvent(new Event("themechange"));
  },
};
if (["dark", "light"].includes(cmda.recall("theme"))) {
  document.documentElement.dataset.theme = cmda.recall("theme");
}
document.addEventListener("DOMContentLoaded", () => {
  document.getElementById("theme")?.addEventListener("click", cmda.toggleTheme);
});
